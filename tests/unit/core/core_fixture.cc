#include "tests/unit/core/core_fixture.h"

#include "base/hash.h"

namespace semper::core {

CoreOptions TestOptions() {
  CoreOptions options;
  options.cluster = "c";
  options.name = "shop/books";
  options.incarnation.fill(std::byte{1});
  options.nonce = 99;
  options.checkpoint_every_bytes = 0;
  return options;
}

FrameHeader FrameOf(const std::string& payload, size_t count) {
  FrameHeader frame;
  frame.bytes = static_cast<uint32_t>(payload.size());
  frame.count = static_cast<uint32_t>(count);
  frame.crc = Crc32c(0, AsBytes(payload));
  return frame;
}

std::string Messages(const std::vector<std::string>& bodies) {
  std::string bytes;
  for (const std::string& body : bodies) {
    std::byte header[kMessageHeaderBytes];
    StoreLittle(header, static_cast<uint32_t>(body.size()));
    bytes.append(reinterpret_cast<const char*>(header), sizeof header);
    bytes += body;
  }
  return bytes;
}

Position After(const Position& before, const std::vector<std::string>& bodies) {
  const std::string bytes = Messages(bodies);
  return before.After(bodies.size(), bytes.size(), Crc32c(0, AsBytes(bytes)));
}

CoreTest::CoreTest(CoreOptions options) : core_(std::move(options), pool_, sink_) {}

void CoreTest::Lead(Epoch epoch) {
  core_.Start();
  core_.OnClaimsRead(Epoch{Raw(epoch) - 1});
  core_.OnClaimed(absl::OkStatus());
  core_.OnSealed(absl::OkStatus());
  core_.OnLookedUp(epoch);
  core_.OnRecovered(Recovered{});
  Effects();
}

void CoreTest::LeadWithService() {
  Lead();
  ServiceGreets();
  CommitAll();
  FeedAll();
  Effects();
}

void CoreTest::CommitAll() {
  core_.EndOfRound();
  while (core_.committed() != core_.appended()) {
    WriteIsDurable();
    NoNewerClaim();
    core_.EndOfRound();
  }
}

void CoreTest::ServiceGreets() {
  v1::ServiceHello hello;
  hello.set_service_name("books");
  core_.OnServiceHello(hello);
}

void CoreTest::FeedAll() {
  const Index from = core_.delivered();
  for (const RecordingSink::Logged& logged : sink_.logged()) {
    if (logged.entry.index > Raw(from)) core_.OnFed(logged.entry, logged.payload);
  }
  core_.OnFedAll();
}

void CoreTest::SendsTo(Slot slot, const std::string& name) {
  ASSERT_TRUE(core_.OnDestination(slot, name).ok());
}

absl::Status CoreTest::Outputs(Slot slot, uint64_t cause, const std::vector<std::string>& bodies) {
  const std::string payload = Messages(bodies);
  FrameHeader frame = FrameOf(payload, bodies.size());
  frame.kind = FrameKind::kOutput;
  frame.slot = Raw(slot);
  frame.index = cause;
  return core_.OnOutput(frame, pool_.Copy(AsBytes(payload)));
}

absl::Status CoreTest::SubmitsImpulse(const std::string& body) {
  const std::string payload = Messages({body});
  return core_.OnImpulse(FrameOf(payload, 1), pool_.Copy(AsBytes(payload)));
}

void CoreTest::OrdersGreets(uint64_t epoch, ConnectionId connection) {
  v1::PeerHello hello;
  hello.set_protocol_version(1);
  hello.set_stream_hash_algorithm(kHashCrc32c);
  hello.mutable_sender()->set_cluster("c");
  hello.mutable_sender()->set_name("shop/orders");
  hello.mutable_sender()->set_incarnation(std::string(16, 'o'));
  hello.mutable_sender()->set_epoch(epoch);
  hello.mutable_receiver()->set_name("shop/books");
  core_.OnPeerHello(connection, hello);
}

void CoreTest::OrdersSends(uint64_t first_sequence, const std::vector<std::string>& bodies) {
  const std::string payload = Messages(bodies);
  FrameHeader frame = FrameOf(payload, bodies.size());
  frame.kind = FrameKind::kMessages;
  frame.first_sequence = first_sequence;
  core_.OnPeerFrame(kOrders, frame, pool_.Copy(AsBytes(payload)));
}

void CoreTest::StockWelcomes(const Position& resume, const Position& committed) {
  v1::PeerWelcome welcome;
  welcome.set_protocol_version(1);
  welcome.mutable_receiver()->set_name("shop/stock");
  welcome.mutable_receiver()->set_incarnation(std::string(16, 's'));
  welcome.mutable_resume()->set_sequence(resume.sequence);
  welcome.mutable_resume()->set_hash(resume.hash);
  welcome.mutable_committed()->set_sequence(committed.sequence);
  welcome.mutable_committed()->set_hash(committed.hash);
  core_.OnWelcome(kStock, welcome);
}

}  // namespace semper::core

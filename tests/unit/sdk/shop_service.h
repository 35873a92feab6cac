// Orders, which asks Stock before it answers; and Stock. For the tests of calls.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "shop.semper.h"

namespace semper::test {

class StockUnderTest : public StockService {
 public:
  std::map<std::string, int64_t> left;
  std::vector<std::string> notes;

  Result<ReserveReply> Reserve(Context&, const ReserveRequest& request) override {
    if (request.count() < 0) return Status(Code::kInvalidArgument, "count is negative");
    if (request.item() == "forget") return Deferred();
    ReserveReply reply;
    reply.set_left(left[request.item()] -= request.count());
    if (request.item() == "huge")
      reply.set_ballast(std::string(static_cast<size_t>(request.count()), 'r'));
    return reply;
  }
  void Note(Context& context, const ReserveRequest& request) override {
    notes.push_back(context.source().name + ": " + request.item());
  }
  void Save(StateWriter& writer) const override {
    writer.WriteVarint(left.size());
    for (const auto& [item, count] : left) {
      writer.WriteString(item);
      writer.WriteInt64(count);
    }
  }
  Status Load(StateReader& reader, uint32_t) override {
    for (uint64_t n = reader.ReadVarint(); n > 0 && reader.ok(); --n) {
      const std::string item = reader.ReadString();
      left[item] = reader.ReadInt64();
    }
    return reader.status();
  }
};

class OrdersUnderTest : public OrdersService {
 public:
  std::vector<std::string> events;

  Result<ReserveReply> Place(Context& context, const ReserveRequest& request) override {
    if (request.item() == "silent") {
      stock_.Reserve(context, request, plain_);
      return ReserveReply();
    }
    Waiting waiting;
    waiting.set_caller(context.DeferReply().Pack());
    waiting.set_item(request.item());
    stock_.Reserve(context, request, reserved_, waiting);
    stock_.Note(context, request);
    return Deferred();
  }
  void Reserved(Context& context, const Result<ReserveReply>& reply, const Waiting& waiting) {
    events.push_back(waiting.item() + ": " +
                     (reply.ok() ? std::to_string(reply->left()) : reply.status().ToString()));
    context.Reply(Caller::Unpack(waiting.caller()).value(), reply);
  }
  void Plain(Context&, const Result<ReserveReply>& reply) {
    events.push_back(reply.ok() ? "plain" : reply.status().ToString());
  }
  void Save(StateWriter& writer) const override {
    writer.WriteVarint(events.size());
    for (const std::string& event : events) writer.WriteString(event);
  }
  Status Load(StateReader& reader, uint32_t) override {
    for (uint64_t n = reader.ReadVarint(); n > 0 && reader.ok(); --n)
      events.push_back(reader.ReadString());
    return reader.status();
  }

 private:
  StockClient stock_{"stock"};
  ReplyHandler<ReserveReply, Waiting> reserved_{this, "reserved", &OrdersUnderTest::Reserved};
  ReplyHandler<ReserveReply> plain_{this, "plain", &OrdersUnderTest::Plain};
};

}  // namespace semper::test

#include "sidecar/admin/status_proto.h"

#include <algorithm>
#include <cmath>

namespace semper::admin {
namespace {

uint64_t SampleCount(const LatencyHistogram& histogram) {
  uint64_t samples = 0;
  for (const uint64_t count : histogram.counts) samples += count;
  return samples;
}

void FillLatency(const LatencyHistogram& from, v1::Status::Latency& to) {
  const uint64_t samples = SampleCount(from);
  to.set_samples(samples);
  if (samples == 0) return;
  to.set_mean_seconds(static_cast<double>(from.sum_nanos) * 1e-9 / static_cast<double>(samples));
  to.set_p50_seconds(QuantileSeconds(from, 0.5));
  to.set_p99_seconds(QuantileSeconds(from, 0.99));
}

void FillPeers(const StatusSnapshot& s, v1::Status& to) {
  for (const SourceStatus& from : s.sources) {
    v1::Status::Source& source = *to.add_sources();
    source.set_name(from.name);
    source.set_slot(from.slot);
    source.set_sequence(from.sequence);
    source.set_committed(from.committed);
    source.set_connected(from.connected);
    source.set_address(from.address);
    source.set_quarantine(from.quarantine);
  }
  for (const DestinationStatus& from : s.destinations) {
    v1::Status::Destination& destination = *to.add_destinations();
    destination.set_name(from.name);
    destination.set_slot(from.slot);
    destination.set_produced(from.produced);
    destination.set_released(from.released);
    destination.set_acked(from.acked);
    destination.set_held_bytes(from.held_bytes);
    destination.set_connected(from.connected);
    destination.set_address(from.address);
    destination.set_error(from.error);
    destination.set_quarantine(from.quarantine);
  }
}

void FillMembers(const StatusSnapshot& s, v1::Status& to) {
  to.set_role(s.role);
  to.set_leader(s.leader);
  to.set_unfit(s.unfit);
  to.set_ready(s.ready);
  to.set_lag_inputs(s.lag_inputs);
  to.set_lag_seconds(s.lag_seconds);
  for (const MemberStatus& from : s.members) {
    v1::Status::Member& member = *to.add_members();
    member.set_name(from.name);
    member.set_role(from.role);
    member.set_ready(from.ready);
    member.set_epoch(from.epoch);
    member.set_index(from.index);
    member.set_reason(from.reason);
  }
}

void FillCounters(const Counters& from, v1::Status::Counters& to) {
  to.set_inputs(from.inputs);
  to.set_input_bytes(from.input_bytes);
  to.set_batches(from.batches);
  to.set_syncs(from.syncs);
  to.set_look_ups(from.look_ups);
  to.set_outputs(from.outputs);
  to.set_output_bytes(from.output_bytes);
  to.set_duplicates_cut(from.duplicates_cut);
  to.set_reconnects(from.reconnects);
  to.set_generations(from.generations);
  to.set_checkpoints_taken(from.checkpoints_taken);
  to.set_checkpoints_failed(from.checkpoints_failed);
  to.set_takeovers(from.takeovers);
}

}  // namespace

double QuantileSeconds(const LatencyHistogram& histogram, double quantile) {
  const uint64_t samples = SampleCount(histogram);
  if (samples == 0) return 0;
  const double exact = std::ceil(quantile * static_cast<double>(samples));
  const uint64_t rank = std::max<uint64_t>(1, static_cast<uint64_t>(exact));
  uint64_t seen = 0;
  for (size_t i = 0; i < histogram.counts.size(); ++i) {
    seen += histogram.counts[i];
    if (seen >= rank) return LatencyHistogram::BoundSeconds(i);
  }
  return LatencyHistogram::BoundSeconds(LatencyHistogram::kBoundCount);
}

v1::Status ToProto(const StatusSnapshot& s) {
  v1::Status to;
  to.set_name(s.name);
  to.set_incarnation(s.incarnation);
  to.set_cluster(s.cluster);
  to.set_member(s.member);
  to.set_version(s.version);
  to.set_epoch(s.epoch);
  static_assert(v1::Status::STARTING == static_cast<int>(Phase::kStarting) + 1);
  static_assert(v1::Status::FOLLOWING == static_cast<int>(Phase::kFollowing) + 1);
  to.set_phase(static_cast<v1::Status::Phase>(static_cast<int>(s.phase) + 1));
  to.set_reason(s.reason);
  to.set_fresh(s.fresh);
  to.set_age_seconds(std::chrono::duration<double>(s.age).count());
  to.set_started_unix_nanos(s.started_unix_nanos);
  to.set_recovery_seconds(s.recovery_seconds);
  to.mutable_index()->set_appended(s.index_appended);
  to.mutable_index()->set_committed(s.index_committed);
  to.mutable_index()->set_delivered(s.index_delivered);
  to.mutable_index()->set_done(s.index_done);
  v1::Status::Service& service = *to.mutable_service();
  service.set_connected(s.service.connected);
  service.set_name(s.service.name);
  service.set_version(s.service.version);
  service.set_sdk(s.service.sdk);
  service.set_generation(s.generation);
  to.mutable_log()->set_segments(s.log_segments);
  to.mutable_log()->set_bytes(s.log_bytes);
  to.mutable_log()->set_free_bytes(s.log_free_bytes);
  v1::Status::Checkpoint& checkpoint = *to.mutable_checkpoint();
  if (s.checkpoint.last.index != 0) {
    checkpoint.mutable_last()->set_epoch(s.checkpoint.last.epoch);
    checkpoint.mutable_last()->set_index(s.checkpoint.last.index);
  }
  checkpoint.set_last_unix_nanos(s.checkpoint.last_unix_nanos);
  checkpoint.set_last_bytes(s.checkpoint.last_bytes);
  checkpoint.set_last_error(s.checkpoint.last_error);
  FillMembers(s, to);
  FillPeers(s, to);
  FillCounters(s.counters, *to.mutable_counters());
  to.mutable_buffers()->set_bytes_in_use(s.buffer_bytes_in_use);
  to.mutable_buffers()->set_bytes_max(s.buffer_bytes_max);
  FillLatency(s.sync, *to.mutable_sync());
  FillLatency(s.look_up, *to.mutable_look_up());
  FillLatency(s.commit, *to.mutable_commit());
  return to;
}

}  // namespace semper::admin

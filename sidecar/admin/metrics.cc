#include "sidecar/admin/metrics.h"

#include <prometheus/client_metric.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <sstream>
#include <utility>
#include <vector>

namespace semper::admin {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

// Collects families; one instance per scrape.
class Families {
 public:
  void Gauge(const char* name, const char* help, double value, Labels labels = {}) {
    Add(name, help, MetricType::Gauge, std::move(labels)).gauge.value = value;
  }

  void Counter(const char* name, const char* help, double value, Labels labels = {}) {
    Add(name, help, MetricType::Counter, std::move(labels)).counter.value = value;
  }

  void Histogram(const char* name, const char* help, const LatencyHistogram& from) {
    ClientMetric::Histogram& to = Add(name, help, MetricType::Histogram, {}).histogram;
    uint64_t cumulated = 0;
    for (size_t i = 0; i < LatencyHistogram::kBoundCount; ++i) {
      cumulated += from.counts[i];
      to.bucket.push_back({cumulated, LatencyHistogram::BoundSeconds(i)});
    }
    // The serializer writes the +Inf bucket from the count.
    to.sample_count = cumulated + from.counts[LatencyHistogram::kBoundCount];
    to.sample_sum = static_cast<double>(from.sum_nanos) * 1e-9;
  }

  const std::vector<MetricFamily>& families() const { return families_; }

 private:
  // Calls with the same name follow each other: they make one family.
  ClientMetric& Add(const char* name, const char* help, MetricType type, Labels labels) {
    if (families_.empty() || families_.back().name != name) {
      families_.push_back({name, help, type, {}});
    }
    families_.back().metric.emplace_back().label = std::move(labels);
    return families_.back().metric.back();
  }

  std::vector<MetricFamily> families_;
};

void AddIdentity(const StatusSnapshot& s, Families& to) {
  to.Gauge("semper_info", "Always 1; the labels say who this coordinator is.", 1,
           {{"name", s.name},
            {"cluster", s.cluster},
            {"member", s.member},
            {"incarnation", s.incarnation},
            {"version", s.version},
            {"service", s.service.name},
            {"service_version", std::to_string(s.service.version)}});
  for (int i = 0; i <= static_cast<int>(Phase::kFollowing); ++i) {
    const Phase phase{i};
    to.Gauge("semper_phase", "1 for the phase that the coordinator is in, 0 for the others.",
             s.phase == phase, {{"phase", PhaseName(phase)}});
  }
  to.Gauge("semper_status_fresh",
           "1 if the event loop answered this scrape, 0 if the figures are older ones.", s.fresh);
  to.Gauge("semper_start_time_seconds", "When the process started, in seconds since 1970.",
           static_cast<double>(s.started_unix_nanos) * 1e-9);
}

// One of these roles is 1. A member without fellows is the leader as soon as it leads: what watches
// for an immortal without a leader need not know how many members it has.
const char* RoleOf(const StatusSnapshot& s) {
  const bool leads = s.phase == Phase::kLeading || s.phase == Phase::kDraining;
  if (s.role == "leader" || (s.role == "alone" && leads)) return "leader";
  if (s.role == "standby") return "standby";
  return s.role == "unfit" ? "unfit" : "joining";
}

void AddMembers(const StatusSnapshot& s, Families& to) {
  const std::string role = RoleOf(s);
  for (const char* one : {"leader", "standby", "joining", "unfit"}) {
    to.Gauge("semper_role", "1 for the role of this member, 0 for the others.", role == one,
             {{"role", one}});
  }
  to.Gauge("semper_epoch", "The epoch that this member leads, or that of the leader it follows.",
           static_cast<double>(s.epoch));
  const auto ready = std::ranges::count_if(s.members, &MemberStatus::ready);
  const char* help = "Fellow members that are connected, and those of them that lead or could.";
  to.Gauge("semper_members", help, static_cast<double>(s.members.size()), {{"state", "connected"}});
  to.Gauge("semper_members", help, static_cast<double>(ready), {{"state", "ready"}});
  to.Gauge("semper_standby_lag_inputs",
           "Inputs that the leader has committed and this standby has not applied.",
           static_cast<double>(s.lag_inputs));
  to.Gauge("semper_standby_lag_seconds",
           "How long ago the leader committed what this standby applies now.", s.lag_seconds);
  to.Counter("semper_takeovers_total", "Times that this member became the leader.",
             static_cast<double>(s.counters.takeovers));
  to.Gauge("semper_takeover_duration_seconds",
           "From the claim (without fellows: from the start of the process) until this member led; "
           "0: it did not yet.",
           s.recovery_seconds);
}

void AddPositions(const StatusSnapshot& s, Families& to) {
  to.Gauge("semper_index_appended", "Index of the newest input in the log.",
           static_cast<double>(s.index_appended));
  to.Gauge("semper_index_committed", "Index of the newest committed input.",
           static_cast<double>(s.index_committed));
  to.Gauge("semper_index_delivered", "Index of the newest input given to the service.",
           static_cast<double>(s.index_delivered));
  to.Gauge("semper_index_done", "Index of the newest input that the service has finished.",
           static_cast<double>(s.index_done));
  to.Gauge("semper_service_connected", "1 while a service is connected.", s.service.connected);
  to.Gauge("semper_log_segments", "Segment files of the log.", static_cast<double>(s.log_segments));
  to.Gauge("semper_log_bytes", "Bytes of all segment files.", static_cast<double>(s.log_bytes));
  to.Gauge("semper_log_free_bytes", "Bytes left on the log's volume; 0 if not known.",
           static_cast<double>(s.log_free_bytes));
  to.Gauge("semper_checkpoint_last_index", "Index of the newest published checkpoint; 0: none.",
           static_cast<double>(s.checkpoint.last.index));
  to.Gauge("semper_checkpoint_last_timestamp_seconds",
           "When the newest checkpoint was published, in seconds since 1970.",
           static_cast<double>(s.checkpoint.last_unix_nanos) * 1e-9);
  to.Gauge("semper_checkpoint_last_bytes", "Size of the newest checkpoint.",
           static_cast<double>(s.checkpoint.last_bytes));
  to.Gauge("semper_buffer_bytes", "Bytes of received data held in memory.",
           static_cast<double>(s.buffer_bytes_in_use));
  to.Gauge("semper_buffer_limit_bytes", "Held bytes at which no more is received.",
           static_cast<double>(s.buffer_bytes_max));
}

void AddCounters(const Counters& c, Families& to) {
  const auto count = [&to](const char* name, const char* help, uint64_t value) {
    to.Counter(name, help, static_cast<double>(value));
  };
  count("semper_inputs_total", "Inputs appended to the log.", c.inputs);
  count("semper_input_bytes_total", "Bytes of these inputs.", c.input_bytes);
  count("semper_batches_total", "Records written: inputs that were committed together.", c.batches);
  count("semper_syncs_total", "Calls of fdatasync on the log.", c.syncs);
  count("semper_look_ups_total", "Listings of the claims.", c.look_ups);
  count("semper_outputs_total", "Messages that the service sent to other immortals.", c.outputs);
  count("semper_output_bytes_total", "Bytes of these messages.", c.output_bytes);
  count("semper_duplicates_cut_total", "Messages that arrived again and were dropped.",
        c.duplicates_cut);
  count("semper_reconnects_total", "Connections to peers that had to be made again.", c.reconnects);
  count("semper_service_generations_total", "Connections of the service.", c.generations);
  to.Counter("semper_checkpoints_total", "Checkpoints by their end.",
             static_cast<double>(c.checkpoints_taken), {{"result", "published"}});
  to.Counter("semper_checkpoints_total", "Checkpoints by their end.",
             static_cast<double>(c.checkpoints_failed), {{"result", "failed"}});
}

void AddPeers(const StatusSnapshot& s, Families& to) {
  // One family after the other, each with all peers in it.
  using Source = double (*)(const SourceStatus&);
  using Destination = double (*)(const DestinationStatus&);
  const auto sources = [&](const char* name, const char* help, Source value) {
    for (const SourceStatus& one : s.sources) {
      to.Gauge(name, help, value(one), {{"source", one.name}});
    }
  };
  const auto destinations = [&](const char* name, const char* help, Destination value) {
    for (const DestinationStatus& one : s.destinations) {
      to.Gauge(name, help, value(one), {{"destination", one.name}});
    }
  };
  sources("semper_source_sequence", "Last message of the source that is in the log.",
          [](const SourceStatus& one) { return static_cast<double>(one.sequence); });
  sources("semper_source_committed_sequence", "Last message of the source that is acknowledged.",
          [](const SourceStatus& one) { return static_cast<double>(one.committed); });
  sources("semper_source_connected", "1 while the source is connected.",
          [](const SourceStatus& one) { return one.connected ? 1.0 : 0.0; });
  sources("semper_source_quarantined", "1 if nothing is taken from the source any more.",
          [](const SourceStatus& one) { return one.quarantine.empty() ? 0.0 : 1.0; });
  destinations("semper_destination_produced_sequence",
               "Last message that the service made for the destination.",
               [](const DestinationStatus& one) { return static_cast<double>(one.produced); });
  destinations("semper_destination_released_sequence",
               "Last message for the destination that may leave.",
               [](const DestinationStatus& one) { return static_cast<double>(one.released); });
  destinations("semper_destination_acked_sequence",
               "Last message that the destination has committed.",
               [](const DestinationStatus& one) { return static_cast<double>(one.acked); });
  destinations("semper_destination_held_bytes",
               "Bytes kept until the destination has committed them.",
               [](const DestinationStatus& one) { return static_cast<double>(one.held_bytes); });
  destinations("semper_destination_connected", "1 while the destination is connected.",
               [](const DestinationStatus& one) { return one.connected ? 1.0 : 0.0; });
  destinations("semper_destination_quarantined",
               "1 if nothing is sent to the destination any more.",
               [](const DestinationStatus& one) { return one.quarantine.empty() ? 0.0 : 1.0; });
}

// The names that every Prometheus client library uses for its process.
void AddProcess(Families& to) {
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    const auto seconds = [](const timeval& t) {
      return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
    };
    to.Counter("process_cpu_seconds_total", "Processor time of the process.",
               seconds(usage.ru_utime) + seconds(usage.ru_stime));
  }
  if (std::FILE* statm = std::fopen("/proc/self/statm", "re"); statm != nullptr) {
    unsigned long total = 0, resident = 0;
    if (std::fscanf(statm, "%lu %lu", &total, &resident) == 2) {
      to.Gauge("process_resident_memory_bytes", "Resident memory of the process.",
               static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)));
    }
    std::fclose(statm);
  }
}

}  // namespace

std::string MetricsText(const StatusSnapshot& snapshot) {
  Families families;
  AddIdentity(snapshot, families);
  AddMembers(snapshot, families);
  AddPositions(snapshot, families);
  AddCounters(snapshot.counters, families);
  AddPeers(snapshot, families);
  families.Histogram("semper_sync_seconds", "Duration of fdatasync on the log.", snapshot.sync);
  families.Histogram("semper_look_up_seconds", "Duration of listing the claims.", snapshot.look_up);
  families.Histogram("semper_commit_seconds",
                     "From the arrival of a batch's first input until it is committed.",
                     snapshot.commit);
  AddProcess(families);
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, families.families());
  return std::move(out).str();
}

}  // namespace semper::admin

// Metrics: a status snapshot as Prometheus families. Built when somebody scrapes; nothing is
// counted here.
#pragma once

#include <string>

#include "sidecar/admin/backend.h"

namespace semper::admin {

// The snapshot in the Prometheus text format, version 0.0.4, with the metrics of the process
// itself.
std::string MetricsText(const StatusSnapshot& snapshot);

}  // namespace semper::admin

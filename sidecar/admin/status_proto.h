// A status snapshot as the message that semperctl gets.
#pragma once

#include "semper/v1/admin.pb.h"
#include "sidecar/admin/backend.h"

namespace semper::admin {

v1::Status ToProto(const StatusSnapshot& snapshot);

// Upper bound of the bucket in which the `quantile` (0 ... 1) of the samples lies; 0 without
// samples. The last bucket has no bound: it counts as twice the one before.
double QuantileSeconds(const LatencyHistogram& histogram, double quantile);

}  // namespace semper::admin

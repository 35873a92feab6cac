// Values of configuration keys as people write them. A part of base/config.h's implementation.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/config.h"

namespace semper {

// Ranges are not checked. The error's text continues a sentence that names the value: "is no whole
// number; …".
absl::StatusOr<ConfigValue> ParseConfigText(const ConfigKey& key, std::string_view text);

// The shortest text that ParseConfigText turns back into `value`.
std::string ConfigValueText(ConfigType type, const ConfigValue& value);

// The one of `names` that is so near to `name` that it was probably meant; empty if there is none.
std::string_view NearestName(std::string_view name, const std::vector<std::string_view>& names);

}  // namespace semper

// Everything that a service needs.
#pragma once

#include "semper/context.h"   // IWYU pragma: export
#include "semper/handlers.h"  // IWYU pragma: export
#include "semper/impulses.h"  // IWYU pragma: export
#include "semper/run.h"       // IWYU pragma: export
#include "semper/service.h"   // IWYU pragma: export
#include "semper/state.h"     // IWYU pragma: export
#include "semper/status.h"    // IWYU pragma: export

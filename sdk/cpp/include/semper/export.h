// What libsemper.so shows to programs that link it; all else stays hidden.
#pragma once

#define SEMPER_EXPORT __attribute__((visibility("default")))

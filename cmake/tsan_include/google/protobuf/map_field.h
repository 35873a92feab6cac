// In a program with ThreadSanitizer protobuf's header gives MapFieldBase two members more, but
// Debian's library was built without them: a map field would be read and written at the wrong
// places. So the header must not know.
#pragma once
#include <google/protobuf/map.h>  // what it includes may know

#pragma push_macro("__SANITIZE_THREAD__")
#undef __SANITIZE_THREAD__
#include_next <google/protobuf/map_field.h>
#pragma pop_macro("__SANITIZE_THREAD__")

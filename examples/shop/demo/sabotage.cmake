# Writes a copy of sidecar/core/core_peers.cc that takes every frame as new, whatever it knows already, and asks for all that
# is not committed after each reconnect. Fails when the source no longer has the places that it changes.
#
# cmake -D SOURCE=… -D OUT=… -P sabotage.cmake
file(READ ${SOURCE} text)

function(replace_between begin end replacement)
  string(FIND "${text}" "${begin}" at)
  string(SUBSTRING "${text}" ${at} -1 rest)
  string(FIND "${rest}" "${end}" length)
  if(at EQUAL -1 OR length EQUAL -1)
    message(FATAL_ERROR "sabotage.cmake: ${SOURCE} has no place from\n${begin}\nto\n${end}\n"
                        "Change this script along with the suppression of duplicates.")
  endif()
  string(SUBSTRING "${text}" 0 ${at} before)
  string(SUBSTRING "${rest}" ${length} -1 after)
  set(text "${before}${replacement}${after}" PARENT_SCOPE)
endfunction()

replace_between("  const Position& resume = state_.sources()" "\n" "  const Position& resume = links_[Raw(slot) - 1].committed;")
# The frames known as a whole, and those whose beginning is known: up to where the entry gets its kind.
replace_between("  if (frame.first_sequence + frame.count - 1 <= known.sequence) {" "  entry.kind = FrameKind::kPeer;"
                "  FrameHeader entry = frame;\n  entry.first_sequence = known.sequence + 1;\n")
file(WRITE ${OUT} "${text}")

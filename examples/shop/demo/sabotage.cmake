# Writes a copy of sidecar/core/core_peers.cc that takes every frame as new, whatever it knows already; as a sender it hears no
# acknowledgement, and sends all that it ever made again after each reconnect: so a failover doubles much, however little was on
# its way. Fails when the source no longer has the places that it changes.
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

# The frames known as a whole, and those whose beginning is known: up to where the entry gets its kind.
replace_between("  if (frame.first_sequence + frame.count - 1 <= known.sequence) {" "  entry.kind = FrameKind::kPeer;"
                "  FrameHeader entry = frame;\n  entry.first_sequence = known.sequence + 1;\n")
# What the receiver says that it has, at a reconnect and later.
replace_between("ledger_.Welcome(slot, {" ", settled_);" "ledger_.Welcome(slot, d.acked, d.acked")
replace_between("  if (absl::Status s = ledger_.Ack(slot, committed, settled_); !s.ok())" "  if (ledger_.acked_bytes()"
                "  static_cast<void>(committed);\n")
file(WRITE ${OUT} "${text}")

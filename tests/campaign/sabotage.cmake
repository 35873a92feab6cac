# Writes a copy of sidecar/core/core.cc that takes everything durable for committed and everybody for the leader, whatever claims
# a look-up finds, and hears nothing of newer leaders. Fails when the source no longer has the places that it changes.
#
# cmake -D SOURCE=… -D OUT=… -P sabotage.cmake
file(READ ${SOURCE} text)

function(replace_between begin end replacement)
  string(FIND "${text}" "${begin}" at)
  string(SUBSTRING "${text}" ${at} -1 rest)
  string(FIND "${rest}" "${end}" length)
  if(at EQUAL -1 OR length EQUAL -1)
    message(FATAL_ERROR "sabotage.cmake: ${SOURCE} has no place from\n${begin}\nto\n${end}\n"
                        "Change this script along with the look-up.")
  endif()
  string(SUBSTRING "${text}" 0 ${at} before)
  string(SUBSTRING "${rest}" ${length} -1 after)
  set(text "${before}${replacement}${after}" PARENT_SCOPE)
endfunction()

# In OnLookedUp: from the first look at the result up to what follows from "no newer claim".
replace_between("  if (!newest.ok()) {\n    return StopBecause(\n        StopReason::kLostLock," "  if (phase_ == Phase::kConfirming) {"
                "  static_cast<void>(newest);\n")
file(WRITE ${OUT} "${text}")

# Checks that are no gtest programs, registered with ctest so that one summary covers everything.
include_guard()

if(TARGET semper-sim)
  if(SEMPER_SANITIZE)
    set(sim_seeds 20)
  else()
    set(sim_seeds 200)
  endif()
  add_test(NAME sim_seeds COMMAND semper-sim --seeds ${sim_seeds})
  set_tests_properties(sim_seeds PROPERTIES LABELS "tier1;sim" TIMEOUT 600)
endif()

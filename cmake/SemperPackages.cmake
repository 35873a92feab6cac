# Debian packages of what is installed, by component: the programs, the SDK's library, and what building a service needs.
# ./dev package
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME semper)
set(CPACK_PACKAGE_VENDOR "The Semper authors")
set(CPACK_PACKAGE_CONTACT "The Semper authors <semper@localhost>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_COMPONENTS_ALL programs lib sdk)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(CPACK_DEBIAN_PROGRAMS_PACKAGE_NAME semper)
set(CPACK_DEBIAN_PROGRAMS_PACKAGE_SECTION admin)
set(CPACK_COMPONENT_PROGRAMS_DESCRIPTION "immortal pods: the coordinator beside a service, and its tool
semper-sidecar logs every input of a service before it counts, replays after a
crash, keeps standbys hot, and makes calls between services happen exactly
once. semperctl shows and steers it, and reads its logs.")

set(CPACK_DEBIAN_LIB_PACKAGE_NAME libsemper${PROJECT_VERSION_MAJOR})
set(CPACK_DEBIAN_LIB_PACKAGE_SECTION libs)
set(CPACK_COMPONENT_LIB_DESCRIPTION "immortal pods: the library that a service is linked to
Services built with the C++ SDK of Semper need it to run.")

set(CPACK_DEBIAN_SDK_PACKAGE_NAME libsemper-dev)
set(CPACK_DEBIAN_SDK_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_SDK_PACKAGE_DEPENDS
    "libsemper${PROJECT_VERSION_MAJOR} (= ${PROJECT_VERSION}), libprotobuf-dev, protobuf-compiler")
set(CPACK_COMPONENT_SDK_DESCRIPTION "immortal pods: headers and generator of the C++ SDK
For building services: find_package(Semper) and semper_generate in CMake,
protoc-gen-semper for typed handlers from Protocol Buffers.")
foreach(component IN LISTS CPACK_COMPONENTS_ALL)
  string(TOUPPER ${component} upper)
  install(FILES ${PROJECT_SOURCE_DIR}/LICENSE RENAME copyright COMPONENT ${component}
          DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${CPACK_DEBIAN_${upper}_PACKAGE_NAME})
endforeach()
include(CPack)

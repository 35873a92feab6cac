# semper_generate(<target> PROTOS <file>… [IMPORT_DIRS <dir>…])
# Adds to <target> what protoc and protoc-gen-semper make of the .proto files: of dir/orders.proto the classes of
# "orders.pb.h" and "orders.semper.h". The files are found relative to the current source directory, and included by
# their name relative to the import directory that holds them (by default each file's own directory).
include_guard()

function(semper_generate target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "PROTOS;IMPORT_DIRS")
  if(NOT arg_PROTOS OR arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "semper_generate(<target> PROTOS <file>... [IMPORT_DIRS <dir>...]): "
                        "got '${arg_UNPARSED_ARGUMENTS}' and the files '${arg_PROTOS}'")
  endif()
  set(out ${CMAKE_CURRENT_BINARY_DIR}/semper_generated/${target})
  file(MAKE_DIRECTORY ${out})
  set(roots)
  foreach(dir IN LISTS arg_IMPORT_DIRS)
    get_filename_component(dir ${dir} ABSOLUTE)
    list(APPEND roots ${dir})
  endforeach()
  foreach(proto IN LISTS arg_PROTOS)
    get_filename_component(file ${proto} ABSOLUTE)
    get_filename_component(root ${file} DIRECTORY)
    foreach(dir IN LISTS roots)
      cmake_path(IS_PREFIX dir ${file} NORMALIZE inside)
      if(inside)
        set(root ${dir})
        break()
      endif()
    endforeach()
    file(RELATIVE_PATH stem ${root} ${file})
    string(REGEX REPLACE "\\.proto$" "" stem ${stem})
    set(outputs ${out}/${stem}.pb.h ${out}/${stem}.pb.cc ${out}/${stem}.semper.h ${out}/${stem}.semper.cc)
    set(imports -I ${root})
    foreach(dir IN LISTS roots ITEMS ${SEMPER_PROTO_DIR})
      list(APPEND imports -I ${dir})
    endforeach()
    add_custom_command(
      OUTPUT ${outputs}
      COMMAND protobuf::protoc ${imports} --cpp_out=${out} --semper_out=${out}
              --plugin=protoc-gen-semper=$<TARGET_FILE:Semper::protoc-gen-semper> ${file}
      DEPENDS ${file} Semper::protoc-gen-semper
      COMMENT "protoc with Semper: ${stem}.proto"
      VERBATIM)
    target_sources(${target} PRIVATE ${outputs})
  endforeach()
  target_include_directories(${target} SYSTEM PUBLIC $<BUILD_INTERFACE:${out}>)
endfunction()

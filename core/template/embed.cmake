# A text file as a C array of its bytes.
file(READ ${INPUT} bytes HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
file(WRITE ${OUTPUT} "#include \"core/template/prelude.h\"\n\nconst char prelude_source[] = {${bytes} 0};\n")

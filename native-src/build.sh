#!/bin/sh
# Builds libisthmus for the platform that the compiler compiles for, as a resource of the jar:
#   build.sh TARGET    writes TARGET/classes/META-INF/native/<os>-<arch>/libisthmus.<ext> and libisthmus.properties
# CC names a compiler, a cross compiler too. Without any compiler this says so and succeeds: the engine then runs on
# OpenBLAS and plain Java. A compiler that fails on the sources is an error.
set -eu

cd "$(dirname "$0")"
TARGET_DIR=${1:-target}
SCRATCH=$TARGET_DIR/native
mkdir -p "$SCRATCH"
. ./toolchain.sh

notice() {
    echo "libisthmus: NOT BUILT: $1. The engine will run without its C kernels, more slowly." >&2
}

# OpenSSL's name for it where neither coreutils' nor Perl's is there.
sha256() {
    if command -v sha256sum >/dev/null 2>&1; then
        sha256sum "$1" | cut -d ' ' -f 1
    elif command -v shasum >/dev/null 2>&1; then
        shasum -a 256 "$1" | cut -d ' ' -f 1
    fi
}

case $(uname -s) in
MINGW* | MSYS* | CYGWIN*)
    notice "Windows is not supported yet"
    exit 0
    ;;
esac
if ! find_compiler; then
    notice "no C compiler (looked for ${CC:-cc, gcc, clang})"
    exit 0
fi
if ! find_platform; then
    notice "no kernels for $("$CC" -dumpmachine)"
    exit 0
fi

CFLAGS_SHIPPED="-O3 -fPIC -fvisibility=hidden"
# nodelete: the library's SIGBUS handler stays installed (watch.c), so its code must outlive every dlclose.
case $PLATFORM in
linux-*) LINK="-shared -static-libgcc -Wl,-soname,$LIBRARY -Wl,--no-undefined -Wl,-z,noexecstack -Wl,-z,nodelete" ;;
macos-*) LINK="-dynamiclib -install_name @rpath/$LIBRARY" ;;
esac

COMPILER=$("$CC" --version | head -n 1)
FOLDER=$TARGET_DIR/classes/META-INF/native/$PLATFORM
OBJECTS=$SCRATCH/$PLATFORM
if up_to_date "$OBJECTS/built" "$COMPILER; $LEVELS" && [ -f "$FOLDER/$LIBRARY" ]; then
    exit 0
fi

echo "libisthmus: building for $PLATFORM with $COMPILER; levels: $LEVELS"
compile "$OBJECTS" "$CFLAGS_SHIPPED" $(kernel_sources)
mkdir -p "$FOLDER"
"$CC" $LINK -o "$FOLDER/$LIBRARY" "$OBJECTS"/*.o -lm
cat >"$FOLDER/libisthmus.properties" <<EOF
abi.version=$(sed -n 's/^#define ISTHMUS_ABI_VERSION //p' include/isthmus.h)
levels=$(echo $LEVELS | tr ' ' ',')
compiler=$COMPILER
library=$LIBRARY
sha256=$(sha256 "$FOLDER/$LIBRARY")
EOF
echo "$COMPILER; $LEVELS" >"$OBJECTS/built.key"
touch "$OBJECTS/built"

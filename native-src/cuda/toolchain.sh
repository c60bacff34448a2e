# What the scripts for the CUDA kernels share. Sourced by them, with this folder as the current one.

# sm_80 and sm_90a are what the kernels are tuned for; the PTX lets the driver compile for later devices, which sm_90a's
# code does not run on. Compression by size takes nothing from the driver that these flags do not take already.
FATBIN_FLAGS="-std=c++17 -Werror all-warnings --compress-mode=size -gencode arch=compute_80,code=sm_80
    -gencode arch=compute_90a,code=sm_90a -gencode arch=compute_80,code=compute_80"

# The one release of nvcc that fatbins are built with. A driver takes no PTX of a later release than its own, so a later nvcc
# would lock out the machines whose driver is for CUDA 13.0.
FATBIN_NVCC=13.0

# No contraction: an FMA of the device's is where the source says so, or the compiler chooses; the emulation does neither.
CXXFLAGS_ALWAYS="-std=c++17 -Wall -Wextra -Werror -fno-strict-aliasing -ffp-contract=off -U_FORTIFY_SOURCE -fPIC
    -fvisibility=hidden -I. -Wno-unknown-pragmas"

sha256() {
    if command -v sha256sum >/dev/null 2>&1; then
        sha256sum "$@" | cut -d ' ' -f 1
    else
        shasum -a 256 "$@" | cut -d ' ' -f 1
    fi
}

# The hash of all that a fatbin is made of but the compiler: sources, headers and flags.
source_hash() {
    { cat *.cu *.h && echo $FATBIN_FLAGS; } | sha256
}

# The value of key $1 in the properties of the fatbin in folder $2.
property() {
    sed -n "s/^$1=//p" "$2/isthmus.fatbin.properties" 2>/dev/null
}

find_nvcc() {
    command -v "${NVCC:-nvcc}" >/dev/null 2>&1
}

# Whether the nvcc that is at hand is the one that fatbins are built with.
find_fatbin_nvcc() {
    find_nvcc && "${NVCC:-nvcc}" --version | grep -q "release $FATBIN_NVCC,"
}

# build_fatbin FOLDER : writes isthmus.fatbin and its properties there. Fails with any other nvcc than the pinned one.
build_fatbin() {
    if ! find_fatbin_nvcc; then
        echo "CUDA kernels: NOT BUILT: fatbins are built with nvcc $FATBIN_NVCC, which is not at hand; set NVCC to its path" >&2
        return 1
    fi
    mkdir -p "$1"
    "${NVCC:-nvcc}" $FATBIN_FLAGS -fatbin --threads 2 isthmus.cu -o "$1/isthmus.fatbin"
    cat >"$1/isthmus.fatbin.properties" <<PROPERTIES
sources.sha256=$(source_hash)
sha256=$(sha256 "$1/isthmus.fatbin")
targets=sm_80,sm_90a,compute_80
compiler=$("${NVCC:-nvcc}" --version | sed -n 's/.*\(release [0-9.]*, V[0-9.]*\).*/nvcc \1/p')
driver.version=$(echo "$FATBIN_NVCC" | awk -F . '{ print 1000 * $1 + 10 * $2 }')
PROPERTIES
}

# Sets CXX to the compiler for the emulation: the environment's, or the first of c++, g++ and clang++. Fails where there is
# none or this is not Linux, whose ways of switching stacks the emulation uses.
find_emulation_compiler() {
    [ "$(uname -s)" = Linux ] || return 1
    for candidate in ${CXX:-c++ g++ clang++}; do
        if command -v "$candidate" >/dev/null 2>&1; then
            CXX=$candidate
            return 0
        fi
    done
    return 1
}

# compile_emulated FOLDER FLAGS SOURCE... : each source to FOLDER/*.o, as many at once as there are processors.
compile_emulated() {
    objects=$1 flags=$2
    shift 2
    mkdir -p "$objects"
    rm -f "$objects"/*.o
    for source in "$@"; do
        echo "$source -o $objects/$(basename "$source" | tr . _).o"
    done | xargs -P "$(getconf _NPROCESSORS_ONLN)" -L 1 "$CXX" $CXXFLAGS_ALWAYS $flags -x c++ -c
}

# up_to_date FILE KEY FOLDER... : whether FILE is newer than everything in the folders and was built with the same KEY.
up_to_date() {
    file=$1 key=$2
    shift 2
    [ -f "$file" ] && [ "$(cat "$file.key" 2>/dev/null)" = "$key" ] && [ -z "$(find "$@" -newer "$file" -type f)" ]
}

# Shared by build.sh and test.sh: finds the compiler and the levels it can build, and compiles every kernel for each.
# Sourced by both, with the folder of native-src as the current one.

WARNINGS="-Wall -Wextra -Werror"
# No contraction: an FMA is where simd.h says so, or levels and compilers would differ. And no -march: what a CPU must
# have is named level by level.
CFLAGS_ALWAYS="-std=c11 $WARNINGS -ffp-contract=off -Iinclude"
UNLEVELLED="dispatch memory watch"

# Sets CC to the compiler: the environment's, or the first of cc, gcc and clang that works. Fails where there is none.
find_compiler() {
    for candidate in ${CC:-cc gcc clang}; do
        if command -v "$candidate" >/dev/null 2>&1 && accepts "$candidate" "" "int x;"; then
            CC=$candidate
            return 0
        fi
    done
    return 1
}

# Tells whether compiler $1 with flags $2 compiles the program text $3.
accepts() {
    printf '%s\n' "$3" | "$1" $2 -x c -c -o "$SCRATCH/probe.o" - >/dev/null 2>&1
}

# Sets PLATFORM (<os>-<arch>, as the engine names it), LIBRARY and LEVELS from what CC compiles for, which need not be
# the machine it runs on. Fails for an unknown platform.
find_platform() {
    TARGET=$("$CC" -dumpmachine)
    case $TARGET in
    *linux*) os=linux LIBRARY=libisthmus.so ;;
    *darwin*) os=macos LIBRARY=libisthmus.dylib ;;
    *) return 1 ;;
    esac
    case $TARGET in
    x86_64* | amd64*) arch=x86_64 ;;
    aarch64* | arm64*) arch=arm64 ;;
    *) return 1 ;;
    esac
    PLATFORM=$os-$arch
    LEVELS=baseline
    for level in avx2 avx512 vnni neon; do
        if [ "$(level_arch $level)" = "$arch" ] && accepts "$CC" "$(level_flags $level)" "$(level_probe $level)"; then
            LEVELS="$LEVELS $level"
        fi
    done
}

level_arch() {
    case $1 in
    neon) echo arm64 ;;
    *) echo x86_64 ;;
    esac
}

level_flags() {
    case $1 in
    avx2) echo "-mavx2 -mfma -mf16c -mprfchw" ;;
    avx512) echo "-mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mf16c -mprfchw" ;;
    vnni) echo "$(level_flags avx512) -mavx512vnni" ;;
    esac
}

level_probe() {
    case $1 in
    avx2) echo '#include <immintrin.h>
        __m256 f(__m256 a) { return _mm256_fmadd_ps(a, a, a); }
        int g(void) { return __builtin_cpu_supports("avx2"); }' ;;
    avx512) echo '#include <immintrin.h>
        __m512 f(__m512 a) { return _mm512_maskz_loadu_ps(1, &a); }
        int g(void) { return __builtin_cpu_supports("avx512vl"); }' ;;
    vnni) echo '#include <immintrin.h>
        __m512i f(__m512i a) { return _mm512_dpbusd_epi32(a, a, a); }
        int g(void) { return __builtin_cpu_supports("avx512vnni"); }' ;;
    neon) echo '#include <arm_neon.h>
        float32x4_t f(float32x4_t a) { return vfmaq_f32(a, a, a); }' ;;
    esac
}

upper() {
    echo "$1" | tr '[:lower:]' '[:upper:]'
}

# compile DIR FLAGS SOURCE... : every SOURCE once per level, and what has no level, into DIR/*.o with FLAGS. Fails if any does.
compile() {
    objects=$1 flags=$2
    shift 2
    mkdir -p "$objects"
    rm -f "$objects"/*.o
    jobs=
    for level in $LEVELS; do
        for source in "$@"; do
            "$CC" $CFLAGS_ALWAYS $flags $(level_flags $level) -DLEVEL=ISTHMUS_LEVEL_$(upper $level) -DSUFFIX=_$level \
                -c "$source" -o "$objects/$(basename "$source" .c)_$level.o" &
            jobs="$jobs $!"
        done
        wait_for $jobs || return 1
        jobs=
    done
    for source in $UNLEVELLED; do
        "$CC" $CFLAGS_ALWAYS $flags $(have_levels) -c "cpu/$source.c" -o "$objects/$source.o" || return 1
    done
}

wait_for() {
    failed=0
    for job in "$@"; do
        wait "$job" || failed=1
    done
    return $failed
}

# -DHAVE_<LEVEL> for each level built besides the baseline.
have_levels() {
    for level in $LEVELS; do
        if [ $level != baseline ]; then
            echo "-DHAVE_$(upper $level)"
        fi
    done
}

# Every source of cpu/ that is compiled once per level.
kernel_sources() {
    for source in cpu/*.c; do
        case " $UNLEVELLED " in
        *" $(basename "$source" .c) "*) ;;
        *) echo "$source" ;;
        esac
    done
}

# up_to_date FILE KEY : whether FILE is newer than every source and was built with the same KEY (kept in FILE.key).
up_to_date() {
    [ -f "$1" ] && [ "$(cat "$1.key" 2>/dev/null)" = "$2" ] &&
        [ -z "$(find include cpu test build.sh test.sh toolchain.sh -newer "$1" -type f)" ]
}

/**
 * libisthmus for one platform, as the resource {@code META-INF/native/<os>-<arch>}; empty where no C compiler built it.
 * There is no code in it: the module exists so that the library is found on the module path and gets into an image that
 * jlink makes.
 */
module dev.isthmus.natives {
}

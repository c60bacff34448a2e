package dev.isthmus.engine.api;

/** The library itself. */
public final class Isthmus {

    private static final String VERSION = "0.1.0-SNAPSHOT";

    private Isthmus() {}

    /**
     * {@return the library's version, as its artefacts have it} It is the same on the class path, on the module path, in
     * a jar that holds several libraries and in a native image.
     */
    public static String version() {
        return VERSION;
    }
}

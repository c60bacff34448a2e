/**
 * Bindings of the native libraries that Isthmus calls through {@code java.lang.foreign}, and the loader
 * that finds, verifies and loads them.
 */
module dev.isthmus.bindings {
    requires dev.isthmus.natives;

    exports dev.isthmus.bindings to dev.isthmus.engine, dev.isthmus.tools, dev.isthmus.bench;
    exports dev.isthmus.bindings.cublas to dev.isthmus.engine;
    exports dev.isthmus.bindings.cuda to dev.isthmus.engine;
    exports dev.isthmus.bindings.isthmus to dev.isthmus.engine, dev.isthmus.bench;
    exports dev.isthmus.bindings.openblas to dev.isthmus.engine, dev.isthmus.bench;
}

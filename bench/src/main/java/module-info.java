/** JMH benchmarks of the kernels and of the engine. */
module dev.isthmus.bench {
    requires dev.isthmus.bindings;
    requires dev.isthmus.engine;
    requires jmh.core;

    // JMH's generated harness and its runner reach the benchmarks by reflection.
    opens dev.isthmus.bench;
}

/** JMH benchmarks of the kernels and of the engine. */
module dev.isthmus.bench {
    requires dev.isthmus.engine;
    requires dev.isthmus.bindings;
}

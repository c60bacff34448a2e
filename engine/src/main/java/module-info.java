/**
 * The Isthmus inference engine: GPT-2 models, sessions and generation. Applications use
 * {@code dev.isthmus.engine.api}; the other packages are exported to the project's own modules only.
 */
module dev.isthmus.engine {
    requires dev.isthmus.bindings;
    requires com.fasterxml.jackson.core;
    requires jdk.jfr;
    requires jdk.management;

    exports dev.isthmus.engine.api;
    exports dev.isthmus.engine.config;
    exports dev.isthmus.engine.errors;
    exports dev.isthmus.engine.tokenizer;
    exports dev.isthmus.engine.session to dev.isthmus.tools, dev.isthmus.bench;
    exports dev.isthmus.engine.sampling to dev.isthmus.bench;
    exports dev.isthmus.engine.convert to dev.isthmus.tools;
    exports dev.isthmus.engine.model to dev.isthmus.tools, dev.isthmus.bench;
    exports dev.isthmus.engine.checkpoint to dev.isthmus.tools, dev.isthmus.bench;
    exports dev.isthmus.engine.files to dev.isthmus.tools;
    exports dev.isthmus.engine.weights to dev.isthmus.tools;
    exports dev.isthmus.engine.weights.gguf to dev.isthmus.tools;
    exports dev.isthmus.engine.weights.safetensors to dev.isthmus.tools;
    exports dev.isthmus.engine.tensor to dev.isthmus.tools, dev.isthmus.bench;
    exports dev.isthmus.engine.cache to dev.isthmus.tools, dev.isthmus.bench;
    exports dev.isthmus.engine.kernels to dev.isthmus.tools, dev.isthmus.bench;
    exports dev.isthmus.engine.kernels.cpu to dev.isthmus.tools, dev.isthmus.bench;
    exports dev.isthmus.engine.kernels.cuda to dev.isthmus.bench;
}

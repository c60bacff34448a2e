package dev.isthmus.tools.model;

import dev.isthmus.engine.api.BackendChoice;
import dev.isthmus.engine.api.CacheType;
import dev.isthmus.engine.api.ModelOptions;
import dev.isthmus.engine.config.WeightType;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Which model a command runs, and how. */
public final class ModelFlags {

    @Spec(Spec.Target.MIXEE)
    private CommandSpec spec;

    @Option(names = {"-m", "--model"}, paramLabel = "DIR|NAME",
            description = "A model directory in the Hugging Face layout, or the name of a model in the local"
                    + " Hugging Face cache, such as gpt2. Default: the small embedded model.")
    String model;

    @Option(names = "--threads", paramLabel = "N",
            description = "Worker threads. Default: one for each core. Results do not depend on it.")
    private int threads;

    @Option(names = "--backend", paramLabel = "auto|cuda|cpu|native|reference", defaultValue = "auto",
            description = "The kernels: cuda (an NVIDIA GPU), cpu (C, or Java and OpenBLAS), native (C alone), reference"
                    + " (plain Java, float64, slow), or auto, the fastest that works here. Default: ${DEFAULT-VALUE}.")
    private BackendChoice backend;

    @Option(names = "--dtype", paramLabel = "f32|f16|bf16|int8|q4",
            description = "How to keep the weights. Default: as the files have them.")
    private WeightType dtype;

    @Option(names = "--cache", paramLabel = "auto|f32|f16|int8", defaultValue = "auto",
            description = "How to keep keys and values. Default: auto, int8 for weights of int8 or q4, else f32.")
    private CacheType cache;

    /** The options for opening the model. */
    public ModelOptions options() {
        if (threads < 0 || threads > ModelOptions.MAX_THREADS) {
            throw new ParameterException(spec.commandLine(), "--threads must be in 0.." + ModelOptions.MAX_THREADS
                    + " (0: one for each core), found " + threads);
        }
        ModelOptions options = ModelOptions.DEFAULT.withBackend(backend).withThreads(threads).withCache(cache);
        return dtype == null ? options : options.withWeights(dtype);
    }
}

import de.kherud.llama.InferenceParameters;
import de.kherud.llama.LlamaModel;
import de.kherud.llama.LlamaOutput;
import de.kherud.llama.ModelParameters;
import de.kherud.llama.args.CacheType;

/**
 * java-llama.cpp with the native library that its jar brings. It takes text and streams text, so its figures include the
 * tokenizer and the stream; a prompt's time ends with the first token.
 */
final class JavaLlamaPeer implements Timing.Peer {

    private static final String ONE_TOKEN = " the";

    /** More than the 1024 positions of the model, since a prompt that fills the context would be cut. */
    private static final int CONTEXT = 1056;

    private final LlamaModel model;

    private JavaLlamaPeer(LlamaModel model) {
        this.model = model;
    }

    public static void main(String[] args) throws Exception {
        Timing.main(args, (model, threads) -> new JavaLlamaPeer(new LlamaModel(new ModelParameters()
                .setModel(model)
                .setCtxSize(CONTEXT)
                .setBatchSize(1024)
                .setUbatchSize(512)
                .setThreads(threads)
                .setThreadsBatch(threads)
                .setCacheTypeK(CacheType.F32)
                .setCacheTypeV(CacheType.F32)
                .setGpuLayers(0)
                .skipWarmup())));
    }

    @Override
    public double run(int prompt, int decode) {
        String text = ONE_TOKEN.repeat(prompt);
        int tokens = model.encode(text).length;
        if (tokens != prompt) {
            throw new IllegalStateException("the prompt has " + tokens + " tokens instead of " + prompt);
        }
        InferenceParameters parameters = new InferenceParameters(text)
                .setTemperature(0)
                .setIgnoreEos(true)
                .setCachePrompt(false)
                .setNPredict(decode + 1);
        long begun = System.nanoTime();
        boolean first = true;
        for (LlamaOutput output : model.generate(parameters)) {
            if (first && decode > 0) {
                begun = System.nanoTime();
            }
            first = false;
        }
        return (System.nanoTime() - begun) / 1e9;
    }
}

import com.github.tjake.jlama.model.AbstractModel;
import com.github.tjake.jlama.model.ModelSupport;
import com.github.tjake.jlama.safetensors.DType;
import com.github.tjake.jlama.tensor.AbstractTensor;
import com.github.tjake.jlama.tensor.KvBufferCache;
import com.github.tjake.jlama.tensor.KvBufferCache.KvBuffer;
import java.io.File;
import java.util.Optional;
import java.util.stream.IntStream;

/** Jlama, float32; greedy sampling on the last position's logits only. */
final class JlamaPeer implements Timing.Peer {

    private final AbstractModel model;
    private final KvBufferCache caches;

    private JlamaPeer(AbstractModel model) {
        this.model = model;
        this.caches = new KvBufferCache(model);
    }

    public static void main(String[] args) throws Exception {
        Timing.main(args, (model, threads) -> new JlamaPeer(ModelSupport.loadModel(
                new File(model), null, DType.F32, DType.F32, Optional.empty(), Optional.of(threads))));
    }

    @Override
    public double run(int prompt, int decode) {
        int[] ids = IntStream.range(100, 100 + prompt).toArray();
        try (KvBuffer cache = caches.getEphemeralKvBuffer();
                AbstractTensor logits = model.makeDenseTensor(model.getConfig().vocabularySize)) {
            long begun = System.nanoTime();
            int token;
            try (AbstractTensor read = model.batchForward(ids, 0, cache)) {
                token = model.sample(read.slice(read.shape().first() - 1), 0f, 0f, logits);
            }
            if (decode > 0) {
                begun = System.nanoTime();
                for (int i = 0; i < decode; i++) {
                    try (AbstractTensor step = model.forward(token, prompt + i, cache, Optional.empty())) {
                        token = model.sample(step, 0f, 0f, logits);
                    }
                    cache.incrementContextPosition();
                }
            }
            return (System.nanoTime() - begun) / 1e9;
        }
    }
}

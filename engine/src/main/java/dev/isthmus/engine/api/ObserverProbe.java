package dev.isthmus.engine.api;

import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.kernels.Kernels;
import dev.isthmus.engine.kernels.RowBatch;
import dev.isthmus.engine.model.LayerProbe;
import dev.isthmus.engine.tensor.Tensor;

/**
 * Shows a forward pass to a {@link ForwardObserver}. Kernels never write down attention probabilities, so they are
 * computed again here, in double from the queries and the cached keys.
 */
final class ObserverProbe implements LayerProbe {

    private final ForwardObserver observer;
    private final Gpt2Config config;
    private final Kernels kernels;

    ObserverProbe(ForwardObserver observer, Gpt2Config config, Kernels kernels) {
        this.observer = observer;
        this.config = config;
        this.kernels = kernels;
    }

    @Override
    public void hiddenState(int boundary, Tensor x, RowBatch batch) {
        for (int t = 0; t < batch.rows(); t++) {
            observer.hiddenState(boundary, batch.position(t), doubles(x, t * x.dim(1), config.channels()));
        }
    }

    @Override
    public void finalState(Tensor x, int[] outputRows, RowBatch batch) {
        for (int i = 0; i < outputRows.length; i++) {
            observer.hiddenState(config.layers() + 1, batch.position(outputRows[i]),
                    doubles(x, i * x.dim(1), config.channels()));
        }
    }

    @Override
    public void attention(int layer, Tensor qkv, RowBatch batch) {
        if (!observer.wantsAttention(layer)) {
            return;
        }
        for (int t = 0; t < batch.rows(); t++) {
            for (int h = 0; h < config.heads(); h++) {
                double[] query = doubles(qkv, t * qkv.dim(1) + (long) h * config.headChannels(),
                        config.headChannels());
                observer.attention(layer, h, batch.position(t),
                        probabilities(query, batch.cache(batch.sequence(t)), layer, h, batch.position(t) + 1));
            }
        }
    }

    private double[] probabilities(double[] query, KvCache cache, int layer, int head, int positions) {
        double[] keys = kernels.keys(cache, layer, head, positions);
        double[] scores = new double[positions];
        double max = Double.NEGATIVE_INFINITY;
        for (int p = 0; p < positions; p++) {
            for (int d = 0; d < query.length; d++) {
                scores[p] += query[d] * keys[p * query.length + d];
            }
            scores[p] *= config.attentionScale(layer);
            max = Math.max(max, scores[p]);
        }
        double sum = 0;
        for (int p = 0; p < positions; p++) {
            scores[p] = Math.exp(scores[p] - max);
            sum += scores[p];
        }
        for (int p = 0; p < positions; p++) {
            scores[p] /= sum;
        }
        return scores;
    }

    private double[] doubles(Tensor tensor, long from, int count) {
        double[] values = new double[count];
        kernels.read(tensor, from, values);
        return values;
    }
}

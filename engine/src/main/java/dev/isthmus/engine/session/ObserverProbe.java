package dev.isthmus.engine.session;

import dev.isthmus.engine.checks.Interrupts;
import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.kernels.RowBatch;
import dev.isthmus.engine.kernels.TensorMemory;
import dev.isthmus.engine.model.LayerProbe;
import dev.isthmus.engine.tensor.Tensor;
import java.util.concurrent.Executor;

/**
 * Shows a forward pass to a {@link StateObserver}. Kernels never write down attention probabilities, so they are
 * computed again here, in double from the queries and the cached keys.
 */
public final class ObserverProbe implements LayerProbe {

    private final StateObserver observer;
    private final Gpt2Config config;
    private final TensorMemory tensors;

    /** Shows passes of a model whose tensors lie in {@code tensors}. */
    public ObserverProbe(StateObserver observer, Gpt2Config config, TensorMemory tensors) {
        this.observer = observer;
        this.config = config;
        this.tensors = tensors;
    }

    @Override
    public LayerProbe calling(Executor caller) {
        return new ObserverProbe(observer.calling(caller), config, tensors);
    }

    @Override
    public boolean needsEveryRow() {
        return true;
    }

    @Override
    public boolean wantsFinalState() {
        return observer.wantsHiddenState(config.layers() + 1);
    }

    @Override
    public void hiddenState(int boundary, Tensor x, RowBatch batch) {
        if (!observer.wantsHiddenState(boundary)) {
            return;
        }
        for (int t = 0; t < batch.rows(); t++) {
            observer.hiddenState(boundary, batch.position(t), doubles(x, t * x.dim(1), config.channels()));
        }
    }

    @Override
    public void attention(int layer, Tensor qkv, RowBatch batch) {
        for (int head = 0; head < config.heads(); head++) {
            if (observer.wantsAttention(layer, head)) {
                for (int sequence = 0; sequence < batch.sequenceCount(); sequence++) {
                    attention(layer, head, qkv, batch, sequence);
                }
            }
        }
    }

    private void attention(int layer, int head, Tensor qkv, RowBatch batch, int sequence) {
        int channels = config.headChannels();
        int last = batch.endRow(sequence) - 1;
        double[] keys = batch.cache(sequence).readKeys(layer, head, batch.position(last) + 1);
        for (int t = batch.firstRow(sequence); t <= last; t++) {
            Interrupts.check("showing a layer's attention");
            double[] query = doubles(qkv, t * qkv.dim(1) + (long) head * channels, channels);
            observer.attention(layer, head, batch.position(t),
                    probabilities(query, keys, batch.position(t) + 1, config.attentionScale(layer)));
        }
    }

    private static double[] probabilities(double[] query, double[] keys, int positions, double scale) {
        double[] scores = new double[positions];
        double max = Double.NEGATIVE_INFINITY;
        for (int p = 0; p < positions; p++) {
            for (int d = 0; d < query.length; d++) {
                scores[p] += query[d] * keys[p * query.length + d];
            }
            scores[p] *= scale;
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
        tensors.read(tensor, from, values);
        return values;
    }
}

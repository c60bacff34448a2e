package dev.isthmus.tools.parity;

import dev.isthmus.engine.api.BackendChoice;
import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.checkpoint.Checkpoint;
import dev.isthmus.engine.config.Activation;
import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.kernels.Backend;
import dev.isthmus.engine.kernels.Backends;
import dev.isthmus.engine.kernels.LayerNorm;
import dev.isthmus.engine.kernels.Layout;
import dev.isthmus.engine.kernels.Linear;
import dev.isthmus.engine.kernels.Matrix;
import dev.isthmus.engine.kernels.RowBatch;
import dev.isthmus.engine.tensor.DType;
import dev.isthmus.engine.tensor.Tensor;
import dev.isthmus.engine.weights.TensorInfo;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;

/**
 * Checks of single operators, on rows of the token embedding without the position embedding, as one source's operator
 * tests have them. They run on the kernels that the model was asked to run on, with the checkpoint's own weights.
 */
final class OperatorChecks {

    /** What the source states for its operators, and for the raw embedding. */
    private static final double OPERATOR = 1e-3;
    private static final double COPY = 1e-4;

    private OperatorChecks() {}

    /** wte[id]. */
    static Check embedding(int[] ids, double[] values) {
        return run((bench, comparison) -> compare(comparison, bench.embedding(ids), 0, values, COPY));
    }

    /** ln_1 of block 0 of wte[id]. */
    static Check layerNorm(int[] ids, double[] values) {
        return run((bench, comparison) -> {
            Tensor x = bench.embedding(ids);
            Tensor out = bench.backend.tensors().allocate(bench.arena, ids.length, bench.config.channels());
            bench.backend.kernels().layerNorm(x, new LayerNorm(bench.weight("h.0.ln_1.weight"), bench.weight("h.0.ln_1.bias"),
                    bench.config.epsilon()), out);
            compare(comparison, out, 0, values, OPERATOR);
        });
    }

    /** mlp.c_fc of block 0 of wte[id]. */
    static Check feedForwardInput(int[] ids, double[] values) {
        return run((bench, comparison) -> compare(comparison,
                bench.linear(bench.embedding(ids), "h.0.mlp.c_fc"), 0, values, OPERATOR));
    }

    /** The attention of block 0, with its projections, of rows wte[ids]; the first and the third row are compared. */
    static Check attention(int[] ids, double[] first, double[] third) {
        return run((bench, comparison) -> {
            Gpt2Config config = bench.config;
            Tensor qkv = bench.linear(bench.embedding(ids), "h.0.attn.c_attn");
            Tensor mixed = bench.backend.tensors().allocate(bench.arena, ids.length, config.channels());
            KvCache cache = new KvCache(1, config.heads(), config.headChannels(), ids.length,
                    bench.backend.cacheTypes(WeightType.F32).getFirst(), bench.arena);
            RowBatch batch = new RowBatch(bench.arena);
            batch.add(cache, ids, 0, ids.length);
            bench.backend.kernels().appendKeysAndValues(qkv, batch, 0);
            bench.backend.kernels().attention(qkv, batch, 0, config.attentionScale(0), 0, mixed);
            Tensor out = bench.linear(mixed, "h.0.attn.c_proj");
            compare(comparison, out, 0, first, OPERATOR);
            compare(comparison, out, 2, third, OPERATOR);
        });
    }

    /** The kernels and weights that an operator is tried with. */
    private record Bench(Arena arena, Backend backend, Gpt2Config config, Checkpoint checkpoint) {

        Tensor weight(String name) {
            TensorInfo info = Subject.tensor(checkpoint, name).orElseThrow(() -> new CheckpointException(
                    CheckpointException.Reason.MISSING_TENSOR, checkpoint.path(), "there is no tensor " + name));
            Tensor tensor = Tensor.allocate(arena, DType.F32, info.shape().dims());
            checkpoint.readF32(info, 0, tensor.data());
            return tensor;
        }

        /** [T, C]: rows of wte. */
        Tensor embedding(int[] ids) {
            TensorInfo wte = Subject.tensor(checkpoint, "wte.weight").orElseThrow(() -> new CheckpointException(
                    CheckpointException.Reason.MISSING_TENSOR, checkpoint.path(), "there is no tensor wte.weight"));
            int channels = config.channels();
            Tensor row = Tensor.allocate(arena, DType.F32, channels);
            Tensor x = backend.tensors().allocate(arena, ids.length, channels);
            for (int t = 0; t < ids.length; t++) {
                checkpoint.readF32(wte, (long) ids[t] * channels, row.data());
                for (int c = 0; c < channels; c++) {
                    set(x, (long) t * channels + c, row.data().getAtIndex(ValueLayout.JAVA_FLOAT, c));
                }
            }
            return x;
        }

        Tensor linear(Tensor x, String name) {
            Tensor weight = weight(name + ".weight");
            int inputs = (int) weight.dim(0);
            int outputs = (int) weight.dim(1);
            Matrix matrix = backend.weights().matrix(WeightType.F32, Layout.IN_OUT, inputs, outputs,
                    backend.weights().allocate(arena, backend.weights().matrixBytes(WeightType.F32, inputs, outputs)));
            backend.weights().pack(matrix, Layout.IN_OUT, weight.data(), 0, inputs, 0, outputs);
            Linear linear = new Linear(matrix, weight(name + ".bias"));
            Tensor out = backend.tensors().allocate(arena, x.dim(0), linear.outputs());
            backend.kernels().linear(x, linear, Activation.NONE, out);
            return out;
        }
    }

    /** Computes with a bench and compares. */
    private interface Operator {
        void run(Bench bench, Comparison comparison);
    }

    private static Check run(Operator operator) {
        return subject -> {
            Comparison comparison = new Comparison();
            try (Arena arena = Arena.ofShared();
                    Checkpoint checkpoint = Checkpoint.open(subject.directory());
                    Backend backend = subject.backend() == BackendChoice.REFERENCE ? Backends.reference()
                            : Backends.cpu(1)) {
                operator.run(new Bench(arena, backend, subject.model().config(), checkpoint), comparison);
            }
            return comparison.outcome();
        };
    }

    private static void compare(Comparison comparison, Tensor out, int row, double[] values, double tolerance) {
        for (int i = 0; i < values.length; i++) {
            comparison.near("channel " + i + " of row " + row, values[i], get(out, row * out.dim(1) + i), tolerance);
        }
    }

    private static double get(Tensor tensor, long index) {
        return tensor.dtype() == DType.F64 ? tensor.data().getAtIndex(ValueLayout.JAVA_DOUBLE, index)
                : tensor.data().getAtIndex(ValueLayout.JAVA_FLOAT, index);
    }

    private static void set(Tensor tensor, long index, float value) {
        if (tensor.dtype() == DType.F64) {
            tensor.data().setAtIndex(ValueLayout.JAVA_DOUBLE, index, value);
        } else {
            tensor.data().setAtIndex(ValueLayout.JAVA_FLOAT, index, value);
        }
    }
}

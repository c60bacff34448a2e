package dev.isthmus.bench;

import dev.isthmus.engine.kernels.Backends;
import dev.isthmus.engine.kernels.Backend;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** Softmax over a row of 50,257 logits. Each call overwrites its row, which costs a copy. Checked before it is timed. */
public class SoftmaxBenchmark extends KernelBenchmark {

    private static final int VOCABULARY = 50_257;

    /** T. */
    @Param({"1", "8"})
    public int rows = 1;

    private Tensor logits;
    private Tensor x;

    @Override
    void prepare() {
        logits = Tensors.random(arena, rows, VOCABULARY);
        x = backend.tensors().allocate(arena, rows, VOCABULARY);
        try (Backend reference = Backends.reference()) {
            Tensor expected = Tensors.widened(reference, arena, logits, Tensors.someRows(rows));
            reference.kernels().softmax(expected);
            softmax();
            Tensors.requireClose(x, expected, 1e-10, Tensors.someRows(rows));
        }
    }

    /** Softmax. */
    @Benchmark
    public void softmax() {
        MemorySegment.copy(logits.data(), 0, x.data(), 0, x.data().byteSize());
        backend.kernels().softmax(x);
    }
}

package dev.isthmus.engine.kernels.cuda;

import dev.isthmus.bindings.cuda.Cuda;
import dev.isthmus.engine.kernels.Passes;
import dev.isthmus.engine.kernels.RowBatch;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.Map;

/**
 * Records the passes that decode, one row of each sequence with logits for all, as CUDA graphs: one launch does what
 * takes over a hundred. The first pass of a number of rows runs as it is, which lets everything allocate what it needs;
 * the second is recorded; the others repeat it, on the batch's arrays as they are then.
 */
final class CudaPasses implements Passes {

    /**
     * A recorded pass.
     *
     * @param graph executable; null when the pass has only run as it is
     * @param batch the arrays that it reads
     * @param generation of what may move
     */
    private record Recording(MemorySegment graph, DeviceBatch batch, int generation) {}

    private final CudaKernels kernels;
    private final CudaContext context;
    private final Map<Integer, Recording> recordings = new HashMap<>();

    CudaPasses(CudaKernels kernels, CudaContext context) {
        this.kernels = kernels;
        this.context = context;
    }

    @Override
    public void run(RowBatch batch, int[] outputRows, boolean watched, Runnable operations) {
        try (CudaContext.Use _ = context.enter()) {
            DeviceBatch arrays = DeviceBatch.of(context, batch);
            if (watched || !arrays.decoding() || !isAll(outputRows, batch.rows())) {
                operations.run();
                return;
            }
            Recording recording = recordings.get(batch.rows());
            int generation = kernels.generation() + arrays.generation();
            if (recording == null || recording.batch != arrays || recording.generation != generation) {
                forget(recording);
                operations.run();
                recordings.put(batch.rows(),
                        new Recording(null, arrays, kernels.generation() + arrays.generation()));
                return;
            }
            if (recording.graph == null) {
                recording = new Recording(context.capture(operations), arrays, generation);
                recordings.put(batch.rows(), recording);
            }
            Status.check("repeating a recorded pass", Cuda.cuGraphLaunch(recording.graph, context.stream()));
        }
    }

    private static boolean isAll(int[] rows, int count) {
        boolean all = rows.length == count;
        for (int i = 0; all && i < count; i++) {
            all = rows[i] == i;
        }
        return all;
    }

    private static void forget(Recording recording) {
        if (recording != null && recording.graph != null) {
            Cuda.cuGraphExecDestroy(recording.graph);
        }
    }

    @Override
    public void close() {
        if (!recordings.isEmpty()) {
            try (CudaContext.Use _ = context.enter()) {
                recordings.values().forEach(CudaPasses::forget);
            }
            recordings.clear();
        }
    }
}

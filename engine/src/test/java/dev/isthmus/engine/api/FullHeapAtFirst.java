package dev.isthmus.engine.api;

import dev.isthmus.engine.errors.EngineException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.ExecutionException;

/** Submits the first request while the Java heap is full, and another when it no longer is. */
final class FullHeapAtFirst {

    private static final int[] GRAINS = {1 << 16, 1 << 10, 64, 16};

    private FullHeapAtFirst() {}

    public static void main(String[] args) throws Exception {
        Model model = Model.open(Path.of(args[0]));
        BatchingExecutor executor = model.newBatchingExecutor(BatchingOptions.DEFAULT);
        GenerationRequest request = GenerationRequest.of(new int[] {1, 2},
                GenerationOptions.builder().maxTokens(4).temperature(1).topP(0.9).stopAtEndOfText(false).build());
        Object[] hog = new Object[1 << 21];
        int size = fill(hog);
        GenerationTask first = null;
        try {
            first = executor.submit(request);
        } catch (OutOfMemoryError | EngineException full) {
            // So it may be.
        }
        Arrays.fill(hog, 0, size, null);
        if (first != null) {
            try {
                first.result().get();
            } catch (ExecutionException full) {
                // So it may be.
            }
        }
        System.out.println(executor.submit(request).result().get().finishReason());
        executor.close();
        model.close();
    }

    private static int fill(Object[] hog) {
        int size = 0;
        for (int grain : GRAINS) {
            try {
                while (true) {
                    hog[size] = new byte[grain];
                    size++;
                }
            } catch (OutOfMemoryError full) {
                // So it shall be.
            }
        }
        return size;
    }
}

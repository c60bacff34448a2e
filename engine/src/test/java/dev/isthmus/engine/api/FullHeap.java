package dev.isthmus.engine.api;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;

/** Fills the Java heap for some time again and again while requests run; each must end. */
final class FullHeap {

    private static final int ROUNDS = 12;
    private static final int[] GRAINS = {1 << 16, 1 << 10, 64, 16};
    private static final GenerationOptions OPTIONS = GenerationOptions.builder().maxTokens(36).stopAtEndOfText(false)
            .build();

    private FullHeap() {}

    public static void main(String[] args) throws Exception {
        Model model = Model.open(Path.of(args[0]));
        BatchingExecutor executor = model.newBatchingExecutor(BatchingOptions.DEFAULT);
        Object[] hog = new Object[1 << 21];
        int failures = 0;
        for (int round = 0; round < ROUNDS; round++) {
            List<GenerationTask> tasks = new ArrayList<>();
            for (int i = 0; i < 200; i++) {
                tasks.add(executor.submit(GenerationRequest.of(new int[] {i, round}, OPTIONS)));
            }
            fill(hog, round % 4 + 1);
            for (GenerationTask task : tasks) {
                try {
                    task.result().get(20, TimeUnit.SECONDS);
                } catch (ExecutionException failed) {
                    failures++;
                }
            }
        }
        executor.submit(GenerationRequest.of(new int[] {1}, OPTIONS)).result().get(20, TimeUnit.SECONDS);
        executor.closeNow();
        model.close();
        System.out.println("closed; " + failures + " requests failed");
    }

    /** Leaves nothing for 30 ms; then all is free again. */
    private static void fill(Object[] hog, int grains) {
        int size = 0;
        for (int g = 0; g < grains; g++) {
            try {
                while (true) {
                    hog[size] = new byte[GRAINS[g]];
                    size++;
                }
            } catch (OutOfMemoryError full) {
                // So it shall be.
            }
        }
        long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(30);
        while (System.nanoTime() < end) {
            Thread.onSpinWait();
        }
        Arrays.fill(hog, 0, size, null);
    }
}

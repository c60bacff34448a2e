package dev.isthmus.engine.parity;

import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.checkpoint.Checkpoint;
import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.kernels.Backend;
import dev.isthmus.engine.kernels.RowBatch;
import dev.isthmus.engine.model.Gpt2Forward;
import dev.isthmus.engine.model.Gpt2Loader;
import dev.isthmus.engine.model.Gpt2Weights;
import dev.isthmus.engine.model.LayerProbe;
import dev.isthmus.engine.model.Scratch;
import dev.isthmus.engine.tensor.DType;
import dev.isthmus.engine.tensor.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/** A fixture's checkpoint on disk and in memory, for passes on any opened. */
final class OpenedCase implements AutoCloseable {

    /** Takes the logits of one position of one sequence, in double whatever the kernels compute in. */
    @FunctionalInterface
    interface Rows {
        void row(int sequence, int position, double[] logits);
    }

    private final SyntheticCheckpoint checkpoint;
    private final Path directory;
    private final Gpt2Config config;

    OpenedCase(SyntheticCheckpoint checkpoint) throws IOException {
        this.checkpoint = checkpoint;
        directory = Files.createTempDirectory("isthmus-parity");
        checkpoint.write(directory);
        config = Gpt2Config.read(directory);
    }

    SyntheticCheckpoint checkpoint() {
        return checkpoint;
    }

    Path directory() {
        return directory;
    }

    /** Reads a text in chunks of so many rows, with all its logits, the weights kept as {@code type}. */
    void read(Backend opened, Optional<WeightType> type, int[] ids, int chunk, Rows rows) {
        List<int[]> steps = new ArrayList<>();
        for (int end = chunk; end < ids.length; end += chunk) {
            steps.add(new int[] {end});
        }
        steps.add(new int[] {ids.length});
        readTogether(opened, type, List.of(ids), steps, rows);
    }

    /**
     * Reads several sequences together.
     *
     * @param type what the weights are kept as; empty for as they are stored
     * @param steps one for each pass: up to where each sequence is read in it
     */
    void readTogether(Backend opened, Optional<WeightType> type, List<int[]> sequences, List<int[]> steps,
            Rows rows) {
        try (Arena temporary = Arena.ofShared(); Checkpoint files = Checkpoint.open(directory)) {
            Gpt2Weights weights = Gpt2Loader.load(files, config, opened.weights(), type, temporary, 2, (done, total) -> {});
            DType cacheType = opened.cacheTypes(weights.head().weight().type()).getFirst();
            readTogether(new Gpt2Forward(config, weights, opened, cacheType), opened, sequences, steps, rows);
        }
    }

    private static void readTogether(Gpt2Forward forward, Backend opened, List<int[]> sequences, List<int[]> steps,
            Rows rows) {
        try (Arena temporary = Arena.ofShared(); Scratch scratch = forward.newScratch()) {
            RowBatch batch = new RowBatch(temporary);
            List<KvCache> caches = sequences.stream().map(ids -> forward.newCache(temporary)).toList();
            for (int[] step : steps) {
                batch.clear();
                for (int s = 0; s < step.length; s++) {
                    batch.add(caches.get(s), sequences.get(s), caches.get(s).length(), step[s]);
                }
                Tensor logits = forward.forward(batch, batch.allRows(), scratch, LayerProbe.NONE);
                for (int t = 0; t < batch.rows(); t++) {
                    rows.row(batch.sequence(t), batch.position(t), row(opened, logits, t));
                }
            }
        }
    }

    private static double[] row(Backend opened, Tensor tensor, int index) {
        double[] row = new double[(int) tensor.dim(1)];
        opened.tensors().read(tensor, (long) index * row.length, row);
        return row;
    }

    @Override
    public void close() {
        try (Stream<Path> files = Files.walk(directory)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}

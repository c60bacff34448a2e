package dev.isthmus.tools.verify;

import dev.isthmus.engine.checkpoint.Checkpoint;
import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.EngineException;
import dev.isthmus.engine.model.Gpt2Loader;
import dev.isthmus.engine.tokenizer.Tokenizer;
import dev.isthmus.engine.weights.TensorInfo;
import dev.isthmus.engine.weights.gguf.GgufHeader;
import dev.isthmus.tools.io.Digests;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiConsumer;
import java.util.function.Supplier;

/**
 * What was found out about a checkpoint.
 *
 * @param path what was verified
 * @param faults why the engine would refuse it; empty if it would not
 * @param tokenizerFault why the model takes token ids only; empty if it takes text, or has no tokenizer
 * @param config the configuration; empty if there is none, or a wrong one
 * @param tensors all tensors
 * @param unused those that the configuration does not ask for
 * @param statistics of each tensor that holds floating-point numbers, by name
 * @param sha256 of each file of weights, by name
 * @param identity how it compares with the published model; empty if it is not like any, or a GGUF file,
 *     of which no hashes are published
 */
public record Verification(Path path, List<String> faults, Optional<String> tokenizerFault, Optional<Gpt2Config> config,
        List<TensorInfo> tensors, List<TensorInfo> unused, Map<String, TensorStatistics> statistics, Map<String, String> sha256,
        Optional<Identity> identity) {

    /**
     * Verifies a model directory, a safetensors or a GGUF file. Reads every byte of it.
     *
     * @param progress told (bytes read, bytes in all)
     */
    public static Verification of(Path path, BiConsumer<Long, Long> progress) {
        List<String> faults = new ArrayList<>();
        boolean gguf = GgufHeader.isGguf(path);
        boolean hasConfig = gguf || Files.isDirectory(path);
        Optional<Gpt2Config> config = hasConfig ? attempt(faults, () -> Gpt2Config.read(path)) : Optional.empty();
        Optional<String> tokenizerFault = hasConfig ? tokenizerFault(path, faults) : Optional.empty();
        Optional<Checkpoint> opened = attempt(faults, () -> Checkpoint.open(path));
        if (opened.isEmpty()) {
            return new Verification(path, faults, tokenizerFault, config, List.of(), List.of(), Map.of(), Map.of(),
                    Optional.empty());
        }
        try (Checkpoint checkpoint = opened.get()) {
            config.ifPresent(known -> Gpt2Loader.faults(checkpoint, known)
                    .forEach(fault -> add(faults, fault)));
            List<TensorInfo> tensors = checkpoint.tensors();
            Map<String, TensorStatistics> statistics = statistics(checkpoint, progress);
            Map<String, String> sha256 = new LinkedHashMap<>();
            checkpoint.files().forEach(file -> sha256.put(file.getFileName().toString(), Digests.sha256(file)));
            Optional<String> single = sha256.size() == 1 ? sha256.values().stream().findFirst() : Optional.empty();
            return new Verification(path, List.copyOf(faults), tokenizerFault, config, tensors,
                    config.map(known -> Gpt2Loader.unused(checkpoint, known)).orElse(List.of()), statistics, sha256,
                    gguf ? Optional.empty() : Identity.of(checkpoint, single, config));
        }
    }

    /** A tokenizer that is not supported is no fault: the engine takes the model, and token ids in place of text. */
    private static Optional<String> tokenizerFault(Path path, List<String> faults) {
        try {
            Tokenizer.open(path);
            return Optional.empty();
        } catch (CheckpointException e) {
            if (e.reason() == CheckpointException.Reason.UNSUPPORTED_TOKENIZER) {
                return Optional.of(e.getMessage());
            }
            add(faults, e);
            return Optional.empty();
        }
    }

    /** Adds a fault, which several readers of one file may find. */
    private static void add(List<String> faults, EngineException fault) {
        if (!faults.contains(fault.getMessage())) {
            faults.add(fault.getMessage());
        }
    }

    private static <T> Optional<T> attempt(List<String> faults, Supplier<T> read) {
        try {
            return Optional.of(read.get());
        } catch (EngineException e) {
            add(faults, e);
            return Optional.empty();
        }
    }

    /**
     * Statistics of every tensor of floating-point numbers, by name.
     *
     * @param progress told (bytes read, bytes in all)
     */
    public static Map<String, TensorStatistics> statistics(Checkpoint checkpoint, BiConsumer<Long, Long> progress) {
        Map<String, TensorStatistics> statistics = new LinkedHashMap<>();
        long total = checkpoint.tensors().stream().mapToLong(TensorInfo::bytes).sum();
        long done = 0;
        for (TensorInfo tensor : checkpoint.tensors()) {
            if (tensor.type().readsAsF32()) {
                statistics.put(tensor.name(), TensorStatistics.of(checkpoint, tensor));
            }
            done += tensor.bytes();
            progress.accept(done, total);
        }
        return statistics;
    }

    /** How many numbers are NaN. */
    public long nan() {
        return statistics.values().stream().mapToLong(TensorStatistics::nan).sum();
    }

    /** How many numbers are infinite. */
    public long infinite() {
        return statistics.values().stream().mapToLong(TensorStatistics::infinite).sum();
    }

    /** Whether the engine would take it and every number is finite. */
    public boolean isSound() {
        return faults.isEmpty() && nan() == 0 && infinite() == 0;
    }

    /** Whether its weights are the published ones of this model. */
    public boolean isPublished(String title) {
        return identity.filter(found -> found.model().title().equals(title) && found.match() != Identity.Match.NONE)
                .isPresent();
    }
}

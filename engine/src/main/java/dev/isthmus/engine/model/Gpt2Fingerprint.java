package dev.isthmus.engine.model;

import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.tensor.Place;
import dev.isthmus.engine.tensor.Tensor;
import dev.isthmus.engine.weights.Checkpoint;
import dev.isthmus.engine.weights.TensorInfo;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Map;
import java.util.TreeMap;

/**
 * Tells models apart: SHA-256 over the configuration, of each tensor name, type, shape and {@value #SAMPLES} samples of
 * at most {@value #SAMPLE_BYTES} bytes of the file, evenly spread, and the types that matrices are kept in. Training
 * changes a tensor nearly everywhere, so that reading the rest would tell no more; it takes a few milliseconds.
 */
public final class Gpt2Fingerprint {

    private static final int SAMPLES = 8;
    private static final int SAMPLE_BYTES = 512;

    private Gpt2Fingerprint() {}

    /** The fingerprint of an open checkpoint: 32 bytes. */
    public static byte[] of(Checkpoint checkpoint, Gpt2Config config) {
        MessageDigest digest = sha256();
        digest.update(config.toString().getBytes(StandardCharsets.UTF_8));
        Map<String, TensorInfo> tensors = new TreeMap<>(new Gpt2Tensors(checkpoint, config).found());
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment sample = arena.allocate(SAMPLE_BYTES, Tensor.ALIGNMENT);
            tensors.forEach((name, tensor) -> {
                digest.update((name + tensor.type() + tensor.shape()).getBytes(StandardCharsets.UTF_8));
                long bytes = Math.min(SAMPLE_BYTES, tensor.bytes());
                for (int i = 0; i < SAMPLES; i++) {
                    MemorySegment part = sample.asSlice(0, bytes);
                    checkpoint.readBytes(tensor, (tensor.bytes() - bytes) * i / (SAMPLES - 1), part);
                    digest.update(part.toArray(ValueLayout.JAVA_BYTE));
                }
            });
        }
        return digest.digest();
    }

    /** The fingerprint of a checkpoint with that fingerprint which was loaded as {@code weights}: 32 bytes. */
    public static byte[] of(byte[] checkpoint, Gpt2Weights weights) {
        MessageDigest digest = sha256();
        digest.update(checkpoint);
        digest.update(types(weights).getBytes(StandardCharsets.UTF_8));
        return digest.digest();
    }

    private static String types(Gpt2Weights weights) {
        StringBuilder types = new StringBuilder().append(weights.tokenEmbedding().type())
                .append(weights.head().weight().type());
        for (Gpt2Weights.Block block : weights.blocks()) {
            types.append(block.attentionInput().weight().type()).append(block.attentionOutput().weight().type())
                    .append(block.feedForwardInput().weight().type()).append(block.feedForwardOutput().weight().type());
        }
        // Blocks of keys and values lie in another order there.
        return weights.positionEmbedding().place() == Place.HOST ? types.toString() : types + "device";
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }
}

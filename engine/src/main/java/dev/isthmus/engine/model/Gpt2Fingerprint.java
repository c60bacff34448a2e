package dev.isthmus.engine.model;

import dev.isthmus.engine.checkpoint.Checkpoint;
import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.tensor.Tensor;
import dev.isthmus.engine.weights.TensorInfo;
import java.io.ByteArrayOutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;

/**
 * Tells models apart: SHA-256 over the configuration, of each tensor name, type, shape and {@value #SAMPLES} samples of
 * at most {@value #SAMPLE_BYTES} bytes of the file, evenly spread, and the types that matrices are kept in. Training
 * changes a tensor nearly everywhere, so that reading the rest would tell no more. Immutable.
 */
public final class Gpt2Fingerprint {

    private static final int SAMPLES = 4;
    private static final int SAMPLE_BYTES = 64;

    private final byte[] content;

    private Gpt2Fingerprint(byte[] content) {
        this.content = content;
    }

    /** The fingerprint of an open checkpoint. */
    public static Gpt2Fingerprint of(Checkpoint checkpoint, Gpt2Config config) {
        ByteArrayOutputStream content = new ByteArrayOutputStream();
        content.writeBytes(config.toString().getBytes(StandardCharsets.UTF_8));
        Map<String, TensorInfo> tensors = new TreeMap<>(new Gpt2Tensors(checkpoint, config).found());
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment sample = arena.allocate(SAMPLE_BYTES, Tensor.ALIGNMENT);
            tensors.forEach((name, tensor) -> {
                content.writeBytes((name + tensor.type() + tensor.shape()).getBytes(StandardCharsets.UTF_8));
                long bytes = Math.min(SAMPLE_BYTES, tensor.bytes());
                for (int i = 0; i < SAMPLES; i++) {
                    MemorySegment part = sample.asSlice(0, bytes);
                    checkpoint.readBytes(tensor, (tensor.bytes() - bytes) * i / (SAMPLES - 1), part);
                    content.writeBytes(part.toArray(ValueLayout.JAVA_BYTE));
                }
            });
        }
        return new Gpt2Fingerprint(content.toByteArray());
    }

    /**
     * The fingerprint of this checkpoint loaded as {@code weights}.
     *
     * @param blockLayout the order in which blocks of keys and values lie
     */
    public Gpt2Fingerprint as(Gpt2Weights weights, String blockLayout) {
        byte[] types = (types(weights) + blockLayout).getBytes(StandardCharsets.UTF_8);
        byte[] both = Arrays.copyOf(content, content.length + types.length);
        System.arraycopy(types, 0, both, content.length, types.length);
        return new Gpt2Fingerprint(both);
    }

    /** 32 bytes; computed by each call, since to most models none is made and a first SHA-256 takes a while. */
    public byte[] bytes() {
        try {
            return MessageDigest.getInstance("SHA-256").digest(content);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }

    private static String types(Gpt2Weights weights) {
        StringBuilder types = new StringBuilder().append(weights.tokenEmbedding().type())
                .append(weights.head().weight().type());
        for (Gpt2Weights.Block block : weights.blocks()) {
            types.append(block.attentionInput().weight().type()).append(block.attentionOutput().weight().type())
                    .append(block.feedForwardInput().weight().type()).append(block.feedForwardOutput().weight().type());
        }
        return types.toString();
    }
}

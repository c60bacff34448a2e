package dev.isthmus.engine.weights;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;

/** PyTorch's own format, which is refused: reading it runs what the file says. */
public final class Pickle {

    /** Why, and the way out; follows the file's name. */
    public static final String REFUSAL = "this is Python's pickle format, which runs code from the file when it is read and is"
            + " therefore not supported. Fetch a revision of the model that has model.safetensors, or, where you trust"
            + " the file, save a safetensors copy from Python with"
            + " AutoModelForCausalLM.from_pretrained(DIR).save_pretrained(NEW_DIR)";

    /** A ZIP archive's first entry, which torch.save writes since PyTorch 1.6. */
    private static final int ZIP = 0x04034B50;

    /** The opcode PROTO, with which every pickle since protocol 2 begins, and the highest protocol. */
    private static final int PROTO = 0x80;
    private static final int HIGHEST_PROTOCOL = 5;

    private Pickle() {}

    /** Whether a file begins as a pickle; false if it cannot be read. */
    public static boolean begins(Path file) {
        try (InputStream in = Files.newInputStream(file)) {
            byte[] bytes = in.readNBytes(Long.BYTES);
            return bytes.length == Long.BYTES
                    && begins(ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong());
        } catch (IOException | SecurityException e) {
            return false;
        }
    }

    /** Whether a file begins so. Only safetensors files of impossibly long headers do too. */
    public static boolean begins(long firstEightBytes) {
        int protocol = (int) (firstEightBytes >>> 8) & 0xFF;
        return (int) firstEightBytes == ZIP
                || (firstEightBytes & 0xFF) == PROTO && 2 <= protocol && protocol <= HIGHEST_PROTOCOL;
    }
}

package dev.isthmus.engine.files;

import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.CheckpointException.Reason;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** Reads the text files of a model directory. */
public final class TextFile {

    /** The longest text that is read, as the longest header of a safetensors file in the Rust library. */
    public static final int MAX_BYTES = 100_000_000;

    private TextFile() {}

    /**
     * Reads a whole file.
     *
     * @return its bytes, which are valid UTF-8
     * @throws CheckpointException if it is missing, not a regular file, unreadable, over 100,000,000 bytes, not UTF-8, or
     *     something else under its name: a Git LFS pointer or a web page
     */
    public static byte[] read(Path file) {
        bytes(file);
        try {
            byte[] text = Files.readAllBytes(file);
            WrongContent.require(ByteBuffer.wrap(text), file);
            int fault = Utf8.firstFault(text);
            if (fault >= 0) {
                throw new CheckpointException(Reason.MALFORMED, file, "expected UTF-8 text, found another byte at "
                        + fault + "; download the file again");
            }
            return text;
        } catch (IOException | SecurityException e) {
            throw RegularFile.unreadable(file, e);
        }
    }

    /**
     * Opens a file to be read piece by piece. Where it is not UTF-8, the reader throws a
     * {@link java.nio.charset.CharacterCodingException}; {@link #read} then tells the place.
     *
     * @throws CheckpointException as {@link #read}, except if it is not UTF-8
     */
    public static Reader open(Path file) {
        bytes(file);
        try {
            try (InputStream in = Files.newInputStream(file)) {
                WrongContent.require(ByteBuffer.wrap(in.readNBytes(WrongContent.BYTES)), file);
            }
            return new InputStreamReader(Files.newInputStream(file), StandardCharsets.UTF_8.newDecoder());
        } catch (IOException | SecurityException e) {
            throw RegularFile.unreadable(file, e);
        }
    }

    /**
     * How long a file is.
     *
     * @throws CheckpointException if it is missing, not a regular file, unreadable or over 100,000,000 bytes
     */
    public static int bytes(Path file) {
        RegularFile.require(file);
        try {
            long size = Files.size(file);
            if (size > MAX_BYTES) {
                throw new CheckpointException(Reason.MALFORMED, file, "expected at most " + MAX_BYTES
                        + " bytes of text, found " + size);
            }
            return (int) size;
        } catch (IOException | SecurityException e) {
            throw RegularFile.unreadable(file, e);
        }
    }
}

package dev.isthmus.engine.weights;

import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.CheckpointException.Reason;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/** Reads the text files of a model directory. */
public final class TextFile {

    /** The longest text that is read: as much as a safetensors header may have. */
    private static final long MAX_BYTES = SafetensorsHeader.MAX_HEADER_BYTES;

    private TextFile() {}

    /**
     * Reads a whole file.
     *
     * @return its bytes, which are valid UTF-8
     * @throws CheckpointException if it is missing, not a regular file, unreadable, over 100,000,000 bytes or not
     *     UTF-8
     */
    public static byte[] read(Path file) {
        TensorFile.requireRegularFile(file);
        try {
            long size = Files.size(file);
            if (size > MAX_BYTES) {
                throw new CheckpointException(Reason.MALFORMED, file, "expected at most " + MAX_BYTES
                        + " bytes of text, found " + size);
            }
            byte[] text = Files.readAllBytes(file);
            int fault = Utf8.firstFault(text);
            if (fault >= 0) {
                throw new CheckpointException(Reason.MALFORMED, file, "expected UTF-8 text, found another byte at "
                        + fault + "; download the file again");
            }
            return text;
        } catch (NoSuchFileException e) {
            throw TensorFile.missing(file, e);
        } catch (IOException | SecurityException e) {
            throw TensorFile.unreadable(file, e);
        }
    }
}

package dev.isthmus.engine.weights.gguf;

import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.CheckpointException.Reason;
import dev.isthmus.engine.files.WrongContent;
import java.io.IOException;
import java.util.Map;

/** The first eight bytes of a GGUF file, and what else may be there instead. */
final class GgufVersion {

    /** "GGUF". */
    static final int MAGIC = 0x46554747;

    private static final String CONVERT = "convert the model again from its original files with llama.cpp's"
            + " convert_hf_to_gguf.py";

    /** The formats of llama.cpp before GGUF. */
    private static final Map<Integer, String> OLDER = Map.of(0x67676D6C, "ggml", 0x67676D66, "ggmf", 0x67676A74, "ggjt",
            0x67676C61, "ggla");

    /** No version will be so large, so that a larger one has its bytes in the other order. */
    private static final int SMALL = 1 << 16;

    private GgufVersion() {}

    /**
     * Takes the magic number and the version.
     *
     * @throws CheckpointException if they are not those of a little-endian file of version 2 or 3
     */
    static void require(GgufInput in) throws IOException {
        WrongContent.require(in.beginning(), in.file());
        int magic = in.u32();
        if (OLDER.containsKey(magic)) {
            throw refuse(in, "this is a file of llama.cpp's format " + OLDER.get(magic)
                    + " of before GGUF, which is not read; " + CONVERT);
        }
        if (magic != MAGIC) {
            throw in.malformed("it does not begin with \"GGUF\"");
        }
        int version = in.u32();
        int reversed = Integer.reverseBytes(version);
        if (version == 1) {
            throw refuse(in, "this is a GGUF file of version 1, which llama.cpp wrote until August 2023 and which is not"
                    + " read; expected version 2 or 3: " + CONVERT);
        }
        if ((version < 0 || version >= SMALL) && 0 < reversed && reversed < SMALL) {
            throw refuse(in, "this is a big-endian GGUF file (of version " + reversed + "), and only little-endian ones"
                    + " are read; convert it with llama.cpp's gguf_convert_endian.py FILE little, or " + CONVERT
                    + " in little-endian order");
        }
        if (version != 2 && version != 3) {
            throw refuse(in, "expected a GGUF file of version 2 or 3, found version " + Integer.toUnsignedString(version)
                    + "; the file is damaged or newer than this reader: " + CONVERT);
        }
    }

    private static CheckpointException refuse(GgufInput in, String detail) {
        return new CheckpointException(Reason.MALFORMED, in.file(), detail);
    }
}

package dev.isthmus.engine.weights.gguf;

import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.CheckpointException.Reason;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The parts of a GGUF file that llama.cpp's {@code llama-gguf-split} has divided: {@code NAME-00001-of-00003.gguf} and
 * so on. The first has the metadata; each says with {@code split.no} (from 0) and {@code split.count} which one it is.
 */
public final class GgufParts {

    private static final String NUMBER = "split.no";
    private static final String COUNT = "split.count";
    private static final String TENSORS = "split.tensors.count";

    private static final Pattern NAME = Pattern.compile("(.*)-([0-9]{5})-of-([0-9]{5})\\.gguf", Pattern.DOTALL);

    private GgufParts() {}

    /**
     * The paths of all parts.
     *
     * @param file any of the parts, or a whole file
     * @return the parts in order, checked to belong together; a whole file alone
     * @throws CheckpointException if a part is missing, unreadable, or one of another file
     */
    public static List<Path> of(Path file) {
        Matcher name = NAME.matcher(file.getFileName().toString());
        if (!name.matches()) {
            return List.of(file);
        }
        GgufHeader given = GgufHeader.readPart(file);
        long count = count(given);
        if (count <= 1) {
            return List.of(file);
        }
        require(given, file, Integer.parseInt(name.group(2)), Integer.parseInt(name.group(3)));
        List<Path> parts = new ArrayList<>();
        long tensors = 0;
        for (int number = 1; number <= count; number++) {
            Path part = file.resolveSibling(String.format(Locale.ROOT, "%s-%05d-of-%05d.gguf", name.group(1), number,
                    count));
            if (!Files.exists(part)) {
                throw new CheckpointException(Reason.MISSING_FILE, part, file.getFileName() + " is part "
                        + name.group(2).replaceFirst("^0+", "") + " of a GGUF file that was divided into " + count
                        + ", and part " + number + " is not beside it; download all parts into one directory, where"
                        + " llama.cpp's llama-gguf-split also makes one file of them");
            }
            GgufHeader header = GgufHeader.readPart(part);
            require(header, part, number, count);
            tensors += header.tensors().size();
            parts.add(part);
        }
        if (whole(given, TENSORS, tensors) != tensors) {
            throw new CheckpointException(Reason.INVALID_SHARD, file, "expected " + whole(given, TENSORS, tensors)
                    + " tensors in all parts by " + TENSORS + ", found " + tensors + "; download all parts again");
        }
        return parts;
    }

    /**
     * Checks that a file may stand alone under its name.
     *
     * @throws CheckpointException if it is a part whose name does not lead to the others
     */
    public static void requireName(GgufHeader header, Path file) {
        if (count(header) > 1 && !NAME.matcher(file.getFileName().toString()).matches()) {
            throw new CheckpointException(Reason.INVALID_SHARD, file, "this is part " + (whole(header, NUMBER, 0) + 1)
                    + " of a GGUF file that was divided into " + count(header) + "; give the parts their names again, "
                    + String.format(Locale.ROOT, "NAME-%05d-of-%05d.gguf for this one", whole(header, NUMBER, 0) + 1,
                            count(header)) + ", or merge them with llama.cpp's llama-gguf-split");
        }
    }

    /** What the names of all parts of a file have in common; of a whole file its name. */
    public static String model(Path file) {
        String name = file.getFileName().toString();
        Matcher part = NAME.matcher(name);
        return part.matches() ? part.group(1) + "-of-" + part.group(3) : name;
    }

    private static void require(GgufHeader header, Path file, long number, long count) {
        long foundNumber = whole(header, NUMBER, -1) + 1;
        if (foundNumber != number || count(header) != count) {
            throw new CheckpointException(Reason.INVALID_SHARD, file, "expected part " + number + " of " + count
                    + " of a divided GGUF file by its name, found " + (count(header) <= 1 ? "a whole one"
                    : "part " + foundNumber + " of " + count(header)) + " by " + NUMBER + " and " + COUNT
                    + "; download all parts of one model again");
        }
    }

    private static long count(GgufHeader header) {
        return whole(header, COUNT, 1);
    }

    private static long whole(GgufHeader header, String key, long otherwise) {
        return header.metadata().get(key) instanceof GgufValue.Whole(long value) ? value : otherwise;
    }
}

package dev.isthmus.tools.parity;

import dev.isthmus.engine.tensor.Shape;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * A tensor of a model as its authors published it, in F32.
 *
 * @param name its name, without {@code transformer.}
 * @param shape its dimensions
 * @param fileOffset the position of its first byte in the published file
 * @param sha256 of its bytes, in lower-case hexadecimal
 */
public record OfficialTensor(String name, Shape shape, long fileOffset, String sha256) {

    /** The tensors that an object's members describe, by name. */
    static Map<String, OfficialTensor> of(Tree tensors) {
        Map<String, OfficialTensor> found = new LinkedHashMap<>();
        for (String name : tensors.names()) {
            Tree tensor = tensors.get(name);
            Shape shape = new Shape(tensor.get("shape").list().stream().mapToLong(Tree::whole).toArray());
            found.put(name, new OfficialTensor(name, shape, tensor.get("file_offset").whole(),
                    tensor.get("sha256_f32_le_row_major").text()));
        }
        return found;
    }
}

package dev.isthmus.tools.parity;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.OptionalLong;

/**
 * A file of a model as its authors published it.
 *
 * @param name its name in the repository
 * @param bytes its size, where it is known
 * @param sha256 in lower-case hexadecimal
 */
public record OfficialFile(String name, OptionalLong bytes, String sha256) {

    /** The files among an object's members, by name. */
    static Map<String, OfficialFile> of(Tree files) {
        Map<String, OfficialFile> found = new LinkedHashMap<>();
        for (String name : files.names()) {
            if (name.contains(".") && files.get(name).has("sha256")) {
                Tree file = files.get(name);
                found.put(name, new OfficialFile(name, file.has("bytes") ? OptionalLong.of(file.get("bytes").whole())
                        : OptionalLong.empty(), file.get("sha256").text()));
            }
        }
        return found;
    }
}

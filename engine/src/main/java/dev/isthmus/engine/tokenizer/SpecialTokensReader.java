package dev.isthmus.engine.tokenizer;

import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.CheckpointException.Reason;
import dev.isthmus.engine.files.JsonFile;
import dev.isthmus.engine.tokenizer.AddedToken.Matching;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Reads the special tokens that tokenizer_config.json and special_tokens_map.json name by role. Those that have no id
 * get the next free ones in the order in which transformers' {@code AutoTokenizer} adds them: the known roles, other
 * names that end in {@code _token}, then the additional ones.
 */
final class SpecialTokensReader {

    private static final String BOS = "bos_token";
    private static final String EOS = "eos_token";
    private static final List<String> ROLES = List.of(BOS, EOS, "unk_token", "sep_token", "pad_token", "cls_token",
            "mask_token");
    private static final List<String> ADDITIONAL = List.of("additional_special_tokens", "extra_special_tokens");

    /** Whom transformers' GPT-2 tokenizer gives the end of text where no file names another token. */
    private static final List<String> ROLES_OF_END_OF_TEXT = List.of(BOS, EOS, "unk_token");

    /** A token that a role names; by no file where it is transformers' own choice. */
    private record Named(Path file, String content, Matching matching) {}

    private final AddedTokenCollector added;
    private final Map<String, List<Named>> roles = new LinkedHashMap<>();
    private boolean hasDecoder;
    private boolean ofAnotherClass;
    private boolean addsBos;
    private boolean addsEos;
    private Boolean prefixSpace;

    SpecialTokensReader(AddedTokenCollector added) {
        this.added = added;
    }

    /**
     * Reads a file.
     *
     * @param file tokenizer_config.json, or after it special_tokens_map.json
     */
    void read(Path file) {
        // transformers looks at the map only where the configuration does not list the added tokens itself.
        boolean makesNew = !hasDecoder;
        try (JsonFile json = new JsonFile(file)) {
            json.nextObject("the file");
            for (String name = json.nextName(); name != null; name = json.nextName()) {
                readMember(json, name, makesNew);
            }
            json.end();
        }
    }

    private void readMember(JsonFile json, String name, boolean makesNew) {
        switch (name) {
            case "added_tokens_decoder" -> readDecoder(json, json.nextValue());
            case "add_prefix_space" -> prefixSpace = truth(json, name);
            case "add_bos_token" -> addsBos = Boolean.TRUE.equals(truth(json, name));
            case "add_eos_token" -> addsEos = Boolean.TRUE.equals(truth(json, name));
            case "tokenizer_class" -> ofAnotherClass = json.nextValue() instanceof String title
                    && !title.startsWith("GPT2Tokenizer");
            default -> {
                if (ROLES.contains(name) || ADDITIONAL.contains(name)) {
                    readRole(json.file(), name, json.nextValue(), makesNew);
                } else if (name.endsWith("_token")) {
                    Object value = json.nextValue();
                    if (value instanceof String || value instanceof Map<?, ?> token && token.containsKey("__type")) {
                        readRole(json.file(), name, value, makesNew);
                    }
                } else {
                    json.skipNext();
                }
            }
        }
    }

    /** Gives the tokens that still have no id theirs, and settles what surrounds a text. */
    void finish() {
        if (!ofAnotherClass) {
            ROLES_OF_END_OF_TEXT.forEach(role -> roles.computeIfAbsent(role, _ -> List.of(
                    new Named(null, AddedTokenCollector.END_OF_TEXT, Matching.EXACT))));
        }
        List<String> order = new ArrayList<>(ROLES);
        roles.keySet().stream().filter(role -> !ROLES.contains(role) && !ADDITIONAL.contains(role))
                .forEach(order::add);
        order.addAll(ADDITIONAL);
        Optional<Path> namesNew = roles.values().stream().flatMap(List::stream)
                .filter(each -> each.file() != null && added.id(each.content()) < 0).map(Named::file).findFirst();
        for (String role : order) {
            for (Named named : roles.getOrDefault(role, List.of())) {
                if (added.id(named.content()) >= 0) {
                    added.makeSpecial(named.content(), named.matching());
                } else if (namesNew.isPresent() && !named.content().isEmpty()) {
                    added.addNew(namesNew.get(), named.content(), named.matching());
                }
            }
        }
        if (prefixSpace != null && !ofAnotherClass) {
            added.setPrefixSpace(prefixSpace);
        }
        added.surround(ids(addsBos, BOS), ids(addsEos, EOS));
    }

    private int[] ids(boolean adds, String role) {
        return roles.getOrDefault(role, List.of()).stream().limit(adds ? 1 : 0)
                .mapToInt(named -> added.id(named.content())).filter(id -> id >= 0).toArray();
    }

    private void readDecoder(JsonFile json, Object value) {
        if (!(value instanceof Map<?, ?> decoder)) {
            throw json.malformed("added_tokens_decoder must be an object, found "
                    + AddedTokenCollector.describe(value));
        }
        hasDecoder = true;
        decoder.forEach((key, token) -> {
            int id;
            try {
                id = Integer.parseInt((String) key);
            } catch (NumberFormatException e) {
                throw json.malformed("added_tokens_decoder must map ids to tokens, found the key "
                        + JsonFile.quoted((String) key));
            }
            added.addOfDecoder(json, token, id);
        });
    }

    private void readRole(Path file, String role, Object value, boolean makesNew) {
        List<Named> named = new ArrayList<>();
        collect(file, role, value, named);
        if (makesNew) {
            roles.put(role, named);
        } else {
            named.forEach(each -> added.makeSpecial(each.content(), each.matching()));
        }
    }

    private static void collect(Path file, String role, Object value, List<Named> named) {
        switch (value) {
            case null -> { }
            case List<?> several -> several.forEach(each -> collect(file, role, each, named));
            case Map<?, ?> token when token.get("content") instanceof String content ->
                named.add(new Named(file, content, AddedTokenCollector.matching(token, true)));
            case Map<?, ?> several -> several.values().forEach(each -> collect(file, role, each, named));
            case String content -> named.add(new Named(file, content, Matching.EXACT));
            default -> throw new CheckpointException(Reason.MALFORMED, file, role + " must be a token, found "
                    + AddedTokenCollector.describe(value));
        }
    }

    private static Boolean truth(JsonFile json, String name) {
        Object value = json.nextValue();
        if (value == null || value instanceof Boolean) {
            return (Boolean) value;
        }
        throw json.malformed(name + " must be true or false, found " + AddedTokenCollector.describe(value));
    }
}

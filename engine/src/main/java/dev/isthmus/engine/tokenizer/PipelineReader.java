package dev.isthmus.engine.tokenizer;

import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.CheckpointException.Reason;
import dev.isthmus.engine.files.JsonFile;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * Reads the parts of a {@code tokenizer.json} around its model by what they do, however they are spelled: whatever
 * comes down to GPT-2's ByteLevel. What would tokenize in another way is refused by name.
 */
final class PipelineReader {

    private static final String SEQUENCE = "Sequence";
    private static final String BYTE_LEVEL = "ByteLevel";

    private final Path file;

    PipelineReader(Path file) {
        this.file = file;
    }

    /** Checks that a normalizer does nothing. */
    void requireNoNormalizer(Object value) {
        for (Object each : flat("normalizer", "normalizers", value)) {
            throw unsupported("the normalizer " + type(each) + " is not supported; GPT-2 has none");
        }
    }

    /** The pre-tokenizer: any number of splits by GPT-2's pattern, then ByteLevel. */
    PreTokenization preTokenizer(Object value) {
        boolean splitsFirst = false;
        PreTokenization found = null;
        for (Object each : flat("pre_tokenizer", "pretokenizers", value)) {
            if (found != null) {
                throw unsupported("the pre_tokenizer " + type(each) + " after ByteLevel is not supported");
            }
            if (type(each).equals("Split")) {
                requireGpt2Split((Map<?, ?>) each);
                splitsFirst = true;
            } else if (type(each).equals(BYTE_LEVEL)) {
                Map<?, ?> fields = (Map<?, ?>) each;
                found = new PreTokenization(splitsFirst, truth(fields, "add_prefix_space", null),
                        truth(fields, "use_regex", true));
            } else {
                throw unsupported("the pre_tokenizer " + type(each) + " is not supported; GPT-2's is ByteLevel");
            }
        }
        if (found == null) {
            throw unsupported("the pre_tokenizer " + type(value) + " without ByteLevel is not supported; GPT-2's is"
                    + " ByteLevel");
        }
        return found;
    }

    /** Which pieces are dropped or joined does not matter where pattern and text cover each other. */
    private void requireGpt2Split(Map<?, ?> split) {
        Object pattern = split.get("pattern") instanceof Map<?, ?> spelled ? spelled.get("Regex") : null;
        if (!(pattern instanceof String regex) || !Gpt2Pattern.isSpelledBy(regex)) {
            throw unsupported("the pre_tokenizer Split by " + describe(split.get("pattern"))
                    + " is not supported; GPT-2's pattern is");
        }
        boolean inverts = truth(split, "invert", false);
        Object behavior = split.get("behavior");
        if (!"Isolated".equals(behavior) && !(inverts && "Removed".equals(behavior))) {
            throw unsupported("the pre_tokenizer Split with the behavior " + describe(behavior) + " and invert "
                    + inverts + " is not supported; Isolated is");
        }
    }

    /** Checks that a decoder is ByteLevel; to join what is one text already changes nothing. */
    void requireByteLevelDecoder(Object value) {
        List<Object> decoders = flat("decoder", "decoders", value);
        boolean plain = !decoders.isEmpty() && type(decoders.getFirst()).equals(BYTE_LEVEL)
                && decoders.stream().skip(1).allMatch(each -> type(each).equals("Fuse"));
        if (!plain) {
            Object wrong = decoders.stream().filter(each -> !type(each).equals(BYTE_LEVEL)).findFirst().orElse(value);
            throw unsupported("the decoder " + type(wrong) + " is not supported; GPT-2's is ByteLevel");
        }
    }

    /** The post-processor, as for a single text. ByteLevel only moves offsets. */
    PostProcessor postProcessor(Object value) {
        List<int[]> templates = new ArrayList<>();
        for (Object each : flat("post_processor", "processors", value)) {
            switch (type(each)) {
                case BYTE_LEVEL -> { }
                case "RobertaProcessing", "BertProcessing" -> {
                    Map<?, ?> fields = (Map<?, ?>) each;
                    templates.add(new int[] {surrounding(fields, "cls"), PostProcessor.TEXT, surrounding(fields, "sep")});
                }
                case "TemplateProcessing" -> templates.add(template((Map<?, ?>) each));
                default -> throw unsupported("the post_processor " + type(each) + " is not supported");
            }
        }
        return new PostProcessor(templates);
    }

    private int surrounding(Map<?, ?> processor, String role) {
        if (processor.get(role) instanceof List<?> pair && pair.size() == 2) {
            return id(pair.get(1));
        }
        throw malformed("the post_processor's " + role + " must be a token and its id, found "
                + describe(processor.get(role)));
    }

    private int[] template(Map<?, ?> processor) {
        if (!(processor.get("single") instanceof List<?> single)) {
            throw malformed("the post_processor's single must be a list, found " + describe(processor.get("single")));
        }
        return single.stream().flatMapToInt(each -> piece(each, processor.get("special_tokens"))).toArray();
    }

    private IntStream piece(Object piece, Object specialTokens) {
        if (piece instanceof Map<?, ?> fields && fields.get(SEQUENCE) instanceof Map<?, ?> sequence) {
            if (!"A".equals(sequence.get("id"))) {
                throw malformed("the post_processor's single has the sequence " + describe(sequence.get("id"))
                        + "; it can only have A");
            }
            return IntStream.of(PostProcessor.TEXT);
        }
        if (piece instanceof Map<?, ?> fields && fields.get("SpecialToken") instanceof Map<?, ?> special
                && specialTokens instanceof Map<?, ?> known && known.get(special.get("id")) instanceof Map<?, ?> token
                && token.get("ids") instanceof List<?> ids) {
            return ids.stream().mapToInt(this::id);
        }
        throw malformed("the post_processor's single has " + describe(piece) + ", which is neither a sequence nor a "
                + "special token that special_tokens gives ids");
    }

    private int id(Object value) {
        if (value instanceof Integer id && id >= 0 && id < Vocabulary.MAX_IDS) {
            return id;
        }
        throw malformed("the post_processor has the token id " + describe(value) + "; expected a whole number from 0 to "
                + (Vocabulary.MAX_IDS - 1));
    }

    /** The components of a sequence, of sequences within it, or of anything else by itself; null is none. */
    private List<Object> flat(String part, String members, Object value) {
        List<Object> all = new ArrayList<>();
        addFlat(part, members, value, all);
        return all;
    }

    private void addFlat(String part, String members, Object value, List<Object> all) {
        if (value == null) {
            return;
        }
        if (!(value instanceof Map<?, ?> fields)) {
            throw malformed("the " + part + " must be an object, found " + describe(value));
        }
        if (!type(value).equals(SEQUENCE)) {
            all.add(value);
        } else if (fields.get(members) instanceof List<?> several) {
            several.forEach(each -> addFlat(part, members, each, all));
        } else {
            throw malformed("the " + part + " Sequence must have a list of " + members);
        }
    }

    private boolean truth(Map<?, ?> fields, String name, Boolean usual) {
        Object value = fields.containsKey(name) ? fields.get(name) : usual;
        if (value instanceof Boolean truth) {
            return truth;
        }
        throw malformed(type(fields) + "'s " + name + " must be true or false, found " + describe(value));
    }

    /** The type of a component; the value itself where it is none. */
    private static String type(Object component) {
        Object type = component instanceof Map<?, ?> fields ? fields.get("type") : component;
        String text = String.valueOf(type);
        return text.length() > 60 ? text.substring(0, 60) + "…" : text;
    }

    private static String describe(Object value) {
        return JsonFile.quoted(String.valueOf(value));
    }

    private CheckpointException malformed(String detail) {
        return new CheckpointException(Reason.MALFORMED, file, detail);
    }

    private CheckpointException unsupported(String detail) {
        return new CheckpointException(Reason.UNSUPPORTED_TOKENIZER, file, detail);
    }
}

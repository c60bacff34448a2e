package dev.isthmus.engine.tokenizer;

import dev.isthmus.engine.files.JsonFile;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * Finds added tokens in a text as Hugging Face tokenizers do: leftmost first, and the longest of those that begin at
 * one place; the tokens that are not normalized before the others. A match that is not a single word is ordinary text,
 * and white space that a match strips belongs to none of the parts. Immutable.
 */
final class AddedTokens {

    /** Takes the parts of a text in order. */
    interface Parts {
        /** Ordinary text. */
        void text(int from, int to);

        /** A token. */
        void token(int id);
    }

    private static final class Node {
        private final Map<Character, Node> next = new HashMap<>();
        private AddedToken token;
    }

    private static final class Group {
        private final Node root = new Node();
        private final BitSet firstCharacters = new BitSet();

        private void add(AddedToken token) {
            Node node = root;
            for (char c : token.content().toCharArray()) {
                node = node.next.computeIfAbsent(c, key -> new Node());
            }
            node.token = token;
            firstCharacters.set(token.content().charAt(0));
        }

        private AddedToken longestAt(String text, int start, int end) {
            AddedToken longest = null;
            Node node = root;
            for (int at = start; at < end; at++) {
                node = node.next.get(text.charAt(at));
                if (node == null) {
                    break;
                }
                longest = node.token != null ? node.token : longest;
            }
            return longest;
        }
    }

    private final List<Group> groups = new ArrayList<>();
    private final Map<String, AddedToken> tokens = new HashMap<>();
    private final boolean allSpecial;

    /** Makes one from tokens of different texts. */
    AddedTokens(Collection<AddedToken> added) {
        Group exact = new Group();
        Group normalized = new Group();
        boolean special = true;
        for (AddedToken token : added) {
            (token.matching().normalized() ? normalized : exact).add(token);
            tokens.put(token.content(), token);
            special &= token.special();
        }
        allSpecial = special;
        for (Group group : List.of(exact, normalized)) {
            if (!group.firstCharacters.isEmpty()) {
                groups.add(group);
            }
        }
    }

    /** The id of a special token by its text. */
    OptionalInt special(String content) {
        AddedToken token = tokens.get(content);
        return token != null && token.special() ? OptionalInt.of(token.id()) : OptionalInt.empty();
    }

    /** All of them, in no order. */
    Collection<AddedToken> all() {
        return Collections.unmodifiableCollection(tokens.values());
    }

    /** The option by which a token is found otherwise than by its text alone. */
    Optional<String> unlikeGpt2() {
        return tokens.values().stream().filter(token -> token.matching().leftStrip() || token.matching().rightStrip()
                || token.matching().singleWord()).findFirst()
                .map(token -> "lstrip, rstrip or single_word for " + JsonFile.quoted(token.content()));
    }

    /** Whether a token is one of these. */
    boolean contains(String content) {
        return tokens.containsKey(content);
    }

    /**
     * Splits a text at its added tokens.
     *
     * @param text the text
     * @param withSpecial whether special tokens count; else they are ordinary text
     * @param parts takes the parts
     */
    void split(String text, boolean withSpecial, Parts parts) {
        boolean search = withSpecial || !allSpecial;
        split(text, 0, text.length(), withSpecial, search ? 0 : groups.size(), parts);
    }

    private void split(String text, int from, int to, boolean withSpecial, int groupIndex, Parts parts) {
        if (from >= to) {
            return;
        }
        if (groupIndex == groups.size()) {
            parts.text(from, to);
            return;
        }
        Group group = groups.get(groupIndex);
        int textStart = from;
        int at = from;
        while (at < to) {
            AddedToken found = group.firstCharacters.get(text.charAt(at)) ? group.longestAt(text, at, to) : null;
            if (found == null) {
                at++;
                continue;
            }
            int end = at + found.content().length();
            if ((withSpecial || !found.special()) && isAllowed(found, text, from, at, end, to)) {
                int begin = found.matching().leftStrip() ? Math.max(textStart, spaceBefore(text, from, at)) : at;
                split(text, textStart, begin, withSpecial, groupIndex + 1, parts);
                parts.token(found.id());
                textStart = found.matching().rightStrip() ? spaceAfter(text, end, to) : end;
            }
            at = end;
        }
        split(text, textStart, to, withSpecial, groupIndex + 1, parts);
    }

    private static boolean isAllowed(AddedToken token, String text, int from, int at, int end, int to) {
        return !token.matching().singleWord()
                || !(at > from && Characters.isWord(text.codePointBefore(at)))
                && !(end < to && Characters.isWord(text.codePointAt(end)));
    }

    private static int spaceBefore(String text, int from, int at) {
        int begin = at;
        while (begin > from && Characters.isWhiteSpace(text.charAt(begin - 1))) {
            begin--;
        }
        return begin;
    }

    private static int spaceAfter(String text, int end, int to) {
        int after = end;
        while (after < to && Characters.isWhiteSpace(text.charAt(after))) {
            after++;
        }
        return after;
    }
}

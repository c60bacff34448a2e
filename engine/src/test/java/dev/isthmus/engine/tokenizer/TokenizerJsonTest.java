package dev.isthmus.engine.tokenizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.CheckpointException.Reason;
import dev.isthmus.engine.errors.InvalidInputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What is read from a tokenizer.json, and what is refused by name. */
class TokenizerJsonTest {

    private static final String PARTS = "'pre_tokenizer':{'type':'ByteLevel','add_prefix_space':false},"
            + "'decoder':{'type':'ByteLevel'}";
    private static final String MODEL = "'type':'BPE','vocab':{'a':0,'b':1,'ab':2},'merges':['a b']";
    private static final String GOOD = "{" + PARTS + ",'model':{" + MODEL + "}}";

    @TempDir
    private Path directory;

    private void write(String content) throws IOException {
        Files.writeString(directory.resolve("tokenizer.json"), content.replace('\'', '"'));
    }

    private Tokenizer open() {
        return Tokenizer.open(directory).orElseThrow();
    }

    private void assertRefused(Reason reason, String... message) {
        CheckpointException e = assertThrows(CheckpointException.class, this::open);
        assertEquals(reason, e.reason(), e.getMessage());
        assertEquals(directory.resolve("tokenizer.json"), e.file());
        for (String part : message) {
            assertTrue(e.getMessage().contains(part), () -> e.getMessage() + " should contain " + part);
        }
    }

    @ParameterizedTest
    @CsvSource(quoteCharacter = '~', delimiter = '|', value = {
        "'type':'BPE'|'type':'WordPiece'|the model type \"WordPiece\"",
        "'type':'ByteLevel','add|'type':'Metaspace','add|the pre_tokenizer Metaspace",
        "'decoder':{'type':'ByteLevel'}|'decoder':{'type':'WordPiece'}|the decoder WordPiece",
        "'decoder':{'type':'ByteLevel'}|'decoder':null|the decoder null",
        "'decoder':{'type':'ByteLevel'}|'x':1|decoder is missing",
        "{'type':'ByteLevel','add_prefix_space':false}|null|the pre_tokenizer null",
        "'model'|'normalizer':{'type':'NFC'},'model'|the normalizer NFC",
        "'merges'|'dropout':0.1,'merges'|dropout must be null",
        "'merges'|'continuing_subword_prefix':'##','merges'|continuing_subword_prefix",
        "'merges'|'end_of_word_suffix':'</w>','merges'|end_of_word_suffix",
        ",'merges':['a b']|~~|model: merges is missing",
        "'vocab':{'a':0,'b':1,'ab':2},|~~|model: vocab (an object) is missing",
        "'pre_tokenizer':{|'normalizer':{'type':'Sequence','normalizers':[{'type':'NFKC'}]},'pre_tokenizer':{|normalizer NFKC",
        "{'type':'ByteLevel','add_prefix_space':false}|{'type':'Sequence','pretokenizers':[]}|without ByteLevel",
        "{'type':'ByteLevel','add_prefix_space':false}|{'type':'Split','pattern':{'Regex':'a'}}|Split by \"{Regex=a}\"",
        "{'type':'ByteLevel','add_prefix_space':false}|{'type':'Split','pattern':{'String':' '}}|Split by \"{String= }\"",
        "'decoder':{'type':'ByteLevel'}|'decoder':{'type':'Sequence','decoders':[]}|the decoder Sequence",
        "'decoder':{'type':'ByteLevel'}|'decoder':{'type':'Sequence','decoders':[{'type':'ByteLevel'},{'type':'Strip'}]}|Strip",
        "'model'|'post_processor':{'type':'Padding'},'model'|the post_processor Padding",
        "{'a':0,'b':1,'ab':2}|[['a',0.5]]|model: vocab (an object) is missing"})
    void whatIsComputedOtherwiseIsRefusedByName(String part, String instead, String message) throws IOException {
        assertTrue(GOOD.contains(part), part);
        write(GOOD.replace(part, instead));
        assertRefused(Reason.UNSUPPORTED_TOKENIZER, message);
    }

    @ParameterizedTest
    @CsvSource(quoteCharacter = '~', delimiter = '|', value = {
        "'model'|'version':'2.0','model'|version must be \"1.0\", found \"2.0\"",
        "'model'|'added_tokens':7,'model'|added_tokens must be a list",
        "'model'|'added_tokens':[7],'model'|the id of token \"7\"",
        "'model'|'added_tokens':[{'id':3}],'model'|an added token must be an object with its content",
        "'model'|'added_tokens':[{'id':3,'content':''}],'model'|an added token is empty",
        "'model'|'added_tokens':[{'id':1,'content':'a'}],'model'|has the id 1, but the vocabulary gives it 0",
        "'model'|'added_tokens':[{'id':1,'content':'x'}],'model'|has the id 1, which is that of \"b\"",
        "'model'|'added_tokens':[{'id':3,'content':'\\ud800'}],'model'|unpaired surrogate",
        "'merges'|'unk_token':3,'merges'|unk_token must be a string",
        "'merges':['a b']|'merges':['a b c']|two tokens separated by one space",
        "'merges':['a b']|'merges':['ab']|two tokens separated by one space",
        "'merges':['a b']|'merges':[['a','b','c']]|a string or a pair",
        "'merges':['a b']|'merges':[['a',1]]|a string or a pair",
        "'merges':['a b']|'merges':['a \\ud800']|unpaired surrogate",
        "'merges':['a b']|'merges':[3]|a string or a pair",
        "'merges':['a b']|'merges':{}|must be a list",
        "'merges':['a b']|'merges':['a b','a c']|merge 1 of the model (\"a\" \"c\") needs the token \"c\"",
        "'add_prefix_space':false|'x':false|add_prefix_space must be true or false",
        "{'type':'ByteLevel','add_prefix_space':false}|'ByteLevel'|pre_tokenizer must be an object",
        "{'type':'ByteLevel','add_prefix_space':false}|{'type':'Sequence'}|must have a list of pretokenizers",
        "'model'|'post_processor':{'type':'BertProcessing'},'model'|post_processor's cls must be a token and its id",
        "'model'|'post_processor':{'type':'RobertaProcessing','cls':['a',-1],'sep':['a',0]},'model'|the token id \"-1\"",
        "'model'|'post_processor':{'type':'TemplateProcessing','single':[{'SpecialToken':{}}]},'model'|nor a special token",
        "'model'|'post_processor':{'type':'TemplateProcessing','single':[{'Sequence':{'id':'B'}}]},'model'|it can only have A",
        "'merges'|'byte_fallback':'no','merges'|byte_fallback must be true or false",
        "'merges'|'vocab':{'a':0,'b':0},'merges'|the tokens \"a\" and \"b\" have the same id 0"})
    void whatIsMalformedIsRefusedByName(String part, String instead, String message) throws IOException {
        assertTrue(GOOD.contains(part), part);
        write(GOOD.replace(part, instead));
        assertRefused(Reason.MALFORMED, message);
    }

    @Test
    void partsThatChangeNothingAreAccepted() throws IOException {
        write(GOOD.replace("'model'", "'version':'1.0','truncation':null,'padding':{'x':[1]},"
                + "'normalizer':null,'post_processor':{'type':'TemplateProcessing','single':[{'Sequence':{'id':'A'}}]},"
                + "'model'").replace("'merges'", "'dropout':null,'unk_token':null,'continuing_subword_prefix':'',"
                + "'end_of_word_suffix':null,'fuse_unk':false,'byte_fallback':false,'ignore_merges':false,'merges'"));
        assertArrayEquals(new int[] {2}, open().encode("ab"));
    }

    @Test
    void mergesMayComeBeforeTheVocabulary() throws IOException {
        String vocabulary = "'vocab':{'a':0,'b':1,'ab':2}";
        String merges = "'merges':['a b']";
        write(GOOD.replace(vocabulary + "," + merges, merges + "," + vocabulary));
        assertArrayEquals(new int[] {2, 0}, open().encode("aba"));
        write(GOOD.replace(vocabulary + "," + merges, "'merges':['a b','a c']," + vocabulary));
        assertRefused(Reason.MALFORMED, "merge 1 of the model", "needs the token \"c\"");
    }

    @ParameterizedTest
    @CsvSource(quoteCharacter = '~', delimiter = '|', value = {
        "'vocab':{'a':0|'vocab':{'a':7,'a':0", "'vocab':{'a':0|'vocab':{'a':1,'x':0,'x':9,'a':0",
        "'model'|'model':{'type':'WordPiece','vocab':7},'model'", "'merges'|'merges':[],'merges'",
        "'merges'|'vocab':{'a':0,'b':1,'ab':2},'merges'", "'type':'BPE'|'type':'BPE','unk_token':4,'unk_token':null",
        "'decoder'|'decoder':null,'decoder'", "'pre_tokenizer'|'pre_tokenizer':{'type':'Digits'},'pre_tokenizer'",
        "'model'|'added_tokens':7,'added_tokens':[],'model'"})
    void ofARepeatedNameTheLastValueCounts(String part, String instead) throws IOException {
        assertTrue(GOOD.contains(part), part);
        write(GOOD.replace(part, instead));
        assertArrayEquals(new int[] {2, 0}, open().encode("aba"));
        assertEquals("aba", open().decode(2, 0));
    }

    @Test
    void anUnknownTokenIsMissedOnlyWhereItIsNeeded() throws IOException {
        write(GOOD.replace("'merges'", "'unk_token':'<unk>','merges'"));
        Tokenizer tokenizer = open();
        assertArrayEquals(new int[] {2, 0}, tokenizer.encode("aba"));
        String message = assertThrows(InvalidInputException.class, () -> tokenizer.encode("abc")).getMessage();
        assertTrue(message.contains("0x63") && message.contains("unk_token \"<unk>\""), message);
    }

    @Test
    void aHostilePatternIsRefusedInTime() throws IOException {
        write(GOOD.replace("{'type':'ByteLevel','add_prefix_space':false}", "{'type':'Split','pattern':{'Regex':'"
                + "(a|".repeat(100_000) + "'},'behavior':'Isolated','invert':false}"));
        assertRefused(Reason.UNSUPPORTED_TOKENIZER, "Split by");
    }
}

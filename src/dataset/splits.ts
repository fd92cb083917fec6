import type { Split } from './types.ts';

/** Names of the splits in practice: one table for folders, columns, lists of files and dumps of features. */
const NAMES: Record<Split, readonly string[]> = {
  train: ['train', 'training', 'trn', 'trainval', 'trainset', 'traindata'],
  val: ['val', 'valid', 'validation', 'validate', 'validating', 'valset', 'dev', 'devel', 'development'],
  // A held-out split that is not recognised would be learnt from, so the lists are long.
  test: ['test', 'testing', 'tst', 'testset', 'testdata', 'eval', 'evaluation', 'holdout', 'heldout'],
};

const SPLITS = new Map(
  Object.entries(NAMES).flatMap(([split, names]) => names.map((name) => [name, split as Split])),
);

/** Words that may accompany the name of a split: `seg_train`, `Training Data`, `images_test`, `PublicTest`. */
const BESIDE = new Set(
  `data dataset set split seg segment image images img imgs pic pics picture pictures photo photos folder dir
  feature features embedding embeddings label labels labeled labelled annotation annotations metadata list index df final full original public private`.split(
    /\s+/,
  ),
);

/** Folders of pictures without labels that stand beside splits. */
const UNLABELLED = new Set(['unlabelled', 'unlabeled', 'pred', 'predict', 'prediction', 'inference']);

/**
 * The split that is named by a folder, a file (without its ending) or a table's value, in any case and with accompanying words:
 * `Train`, `VALIDATION`, `seg_test`, `train2017`, `hold-out`. Undefined for other names.
 */
export function splitNamed(name: string): Split | undefined {
  return SPLITS.get(ownWords(name).join(''));
}

/** The stricter of two splits: test before val, val before train. */
export function heldOut(a: Split | undefined, b: Split | undefined): Split | undefined {
  return (['test', 'val', 'train'] as const).find((split) => split === a || split === b);
}

/** Beginnings of words for training, validation and testing in other languages, in lower case and without accents. */
const FOREIGN = new RegExp(
  `^(${[
    'entrain|apprentissage|essai|epreuve', // French
    'entrena|aprendizaje|prueba|treino|treina|aprendizagem|teste', // Spanish, Portuguese
    'addestra|allena|apprendimento|prova', // Italian
    'lern|ubung|pruf|validier|auswert|oefen|toets|validat', // German, Dutch
    'traning|trening|opplaring|valider|koulutus|testi', // Scandinavian, Finnish
    'uczac|ucze|testow|walid|trenov|egitim|dogrula|sinama|latih|uji', // Polish, Czech, Turkish, Indonesian
    'обуч|трениров|тест|валид|проверк|навчан', // Russian, Ukrainian
    '训练|訓練|学习|学習|测试|測試|验证|驗證|検証|評価|评估|テスト|トレーニング|훈련|학습|시험|테스트|검증', // Chinese, Japanese, Korean
    'تدريب|اختبار|אימון|בדיקה|प्रशिक्षण|परीक्षण', // Arabic, Hebrew, Hindi
  ].join('|')})`,
  'u',
);

/** Whether a value names a split, in English or in another language: `train`, `Prüfung`, `测试集`. */
export function meansSplit(value: string): boolean {
  if (splitNamed(value) !== undefined) return true;
  const plain = value
    .normalize('NFD')
    .replace(/[\u0300-\u036f]/g, '')
    .normalize('NFC')
    .toLowerCase();
  return plain.split(/[^\p{L}\p{M}]+/u).some((word) => FOREIGN.test(word));
}

/** The split in a name that also says something else: `trainA`, `test_cats`. */
export function splitWithin(name: string): Split | undefined {
  return ownWords(name)
    .map((word) => SPLITS.get(word))
    .find((split) => split !== undefined);
}

/** Whether a folder's name says that its pictures have no labels. */
export function namesUnlabelled(name: string): boolean {
  return ownWords(name).some((word) => UNLABELLED.has(word)) && splitNamed(name) === undefined;
}

/** The lower-case words of a name, without numbers and accompanying words. */
function ownWords(name: string): string[] {
  return name
    .normalize('NFC')
    .replace(/(?<=[a-z])(?=[A-Z])/g, ' ')
    .toLowerCase()
    .split(/[^\p{L}]+/u)
    .filter((word) => word !== '' && !BESIDE.has(word));
}

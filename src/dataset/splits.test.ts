import { describe, expect, it } from 'vitest';
import { namesUnlabelled, splitNamed, splitWithin } from './splits.ts';

const NAMES = {
  train: `train Train TRAIN training Training trn train2017 train_1 trainval train_val TrainVal train-set trainset seg_train
    train_images images_train Training_Data TrainingSet train_labels`,
  val: `val VAL valid Valid validation Validation validate dev devel development val2017 val_images ValidationSet`,
  test: `test Test testing Testing tst test1 test_set testset seg_test holdout hold-out HoldOut held_out eval evaluation
    PublicTest PrivateTest test_images`,
};

describe('names of splits', () => {
  it.each(Object.entries(NAMES).flatMap(([split, names]) => names.split(/\s+/).map((name) => [name, split])))(
    '%s is %s',
    (name, split) => {
      expect(splitNamed(name)).toBe(split);
    },
  );

  it.each([
    '',
    'cat',
    'extra',
    'trainer',
    'trainA',
    'testB',
    'train_cats',
    'contest',
    'valley',
    '0',
    'fold 1',
    'images',
    'data',
  ])('"%s" is not a split', (name) => {
    expect(splitNamed(name)).toBeUndefined();
  });

  it('are recognised inside longer names', () => {
    expect(['trainA', 'testB', 'val_cats', 'trainer'].map(splitWithin)).toEqual([
      'train',
      'test',
      'val',
      undefined,
    ]);
  });

  it('include those of pictures without labels', () => {
    expect(['unlabelled', 'unlabeled', 'Unlabeled_Images', 'seg_pred', 'pred'].every(namesUnlabelled)).toBe(
      true,
    );
    expect(['test', 'labelled', 'cat', 'predator'].some(namesUnlabelled)).toBe(false);
  });
});

"""The words shops use for what a picture shows, in English and in Chinese as mainland shops write it.

One table for each kind of attribute; the order of a table is the order of the attribute's codes. The
first word is the plain one. Within a language no word stands in two places of these tables (colours of
`colours.py` included), and no plural, filler or frame of `wording.py` reads as one of them, so that a
title says exactly what it was made to say.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Words:
    """Words for one thing, the plain one first: `en` in lower case, `zh` simplified Chinese."""

    en: tuple[str, ...]
    zh: tuple[str, ...]


def _w(en: str, zh: str) -> Words:
    return Words(tuple(en.split(", ")), tuple(zh.split(" ")))


#: Category -> its words. The first ten are the classes of the real clothing photos.
CATEGORIES: dict[str, Words] = {
    "t-shirt": _w("t-shirt, tee, tshirt, tee shirt, short-sleeved top", "T恤 短袖 短袖T恤 T恤衫"),
    "longsleeve": _w(
        "longsleeve, long-sleeved top, long sleeve shirt, sweater, pullover, jumper, sweatshirt, hoodie",
        "长袖 毛衣 卫衣 长袖T恤 长袖衫 套头衫",
    ),
    "shirt": _w("shirt, button-up shirt, button-down shirt, dress shirt, blouse", "衬衫 衬衣 长袖衬衫"),
    "dress": _w("dress, gown, frock, sundress", "连衣裙 连身裙 礼服裙"),
    "skirt": _w("skirt, midi skirt, mini skirt", "半身裙 短裙 半裙 裙子"),
    "pants": _w("pants, trousers, jeans, leggings, slacks", "裤子 长裤 牛仔裤 休闲裤"),
    "shorts": _w("shorts, short pants, bermudas", "短裤 五分裤 中裤"),
    "outwear": _w(
        "outwear, outerwear, jacket, coat, parka, windbreaker, vest", "外套 夹克 大衣 风衣 上衣外套"
    ),
    "shoes": _w("shoes, sneakers, trainers, footwear, shoe, sneaker", "鞋子 运动鞋 休闲鞋 球鞋 鞋"),
    "hat": _w("hat, cap, beanie, headwear, baseball cap", "帽子 棒球帽 鸭舌帽 帽"),
    "boots": _w("boots, ankle boots, boot", "靴子 短靴 靴"),
    "sock": _w("socks, sock, pair of socks", "袜子 短袜 袜"),
    "scarf": _w("scarf, shawl", "围巾 披肩"),
    "tie": _w("tie, necktie", "领带"),
    "handbag": _w("handbag, purse, tote bag, tote", "手提包 手袋 女包 单肩包"),
    "backpack": _w("backpack, rucksack, school bag", "双肩包 背包 书包"),
    "umbrella": _w("umbrella, parasol, brolly", "雨伞 伞 遮阳伞"),
    "watch": _w("watch, wristwatch, wrist watch", "手表 腕表"),
    "sunglasses": _w("sunglasses, shades, sun glasses", "太阳镜 墨镜"),
    "mug": _w("mug, coffee cup, coffee mug, cup, tea cup", "马克杯 杯子 咖啡杯"),
    "bottle": _w("bottle, water bottle, flask, drinking bottle", "水瓶 瓶子 保温瓶 运动水瓶"),
    "vase": _w("vase, flower vase", "花瓶"),
    "teapot": _w("teapot, kettle, tea kettle", "茶壶 水壶 烧水壶"),
    "plate": _w("plate, dish, dinner plate", "盘子 餐盘 碟子"),
    "bowl": _w("bowl, salad bowl, soup bowl", "碗 饭碗 汤碗"),
    "glass": _w("glass, drinking glass, tumbler", "玻璃杯 水杯"),
    "lamp": _w("lamp, table lamp, desk lamp", "台灯 灯 灯具"),
    "chair": _w("chair, dining chair, seat", "椅子 餐椅 靠背椅"),
    "table": _w("table, desk, dining table", "桌子 餐桌 书桌"),
    "sofa": _w("sofa, couch, settee", "沙发"),
    "shelf": _w("shelf, bookcase, shelves, bookshelf", "书架 置物架 架子"),
    "bed": _w("bed, bedstead, bed frame", "床 双人床"),
    "cushion": _w("cushion, pillow, throw pillow", "抱枕 靠垫 枕头"),
    "rug": _w("rug, carpet, mat", "地毯 地垫"),
    "clock": _w("clock, wall clock, alarm clock", "时钟 挂钟 钟 闹钟"),
    "candle": _w("candle, scented candle", "蜡烛 香薰蜡烛"),
    "plant pot": _w("plant pot, flower pot, planter, flowerpot", "花盆 盆栽"),
    "basket": _w("basket, storage basket, hamper", "篮子 收纳篮 收纳筐"),
    "phone": _w("phone, smartphone, mobile phone, cell phone", "手机 智能手机"),
    "laptop": _w("laptop, notebook computer, laptop computer", "笔记本电脑 手提电脑"),
    "headphones": _w("headphones, headset, earphones", "耳机 头戴式耳机"),
    "camera": _w("camera, digital camera", "相机 照相机 数码相机"),
    "book": _w("book, notebook, journal", "书 书本 笔记本"),
    "ball": _w("ball, beach ball, play ball", "球 皮球 沙滩球"),
    "toy car": _w("toy car, car toy, model car", "玩具车 玩具汽车 小汽车"),
    "teddy bear": _w("teddy bear, plush bear, stuffed bear, teddy", "泰迪熊 毛绒熊 小熊玩偶"),
    "guitar": _w("guitar, acoustic guitar", "吉他 木吉他"),
    "suitcase": _w("suitcase, luggage, trolley case", "行李箱 旅行箱 拉杆箱"),
    "pan": _w("pan, frying pan, skillet", "平底锅 煎锅"),
    "cooking pot": _w("cooking pot, saucepan, stockpot, stew pot", "汤锅 锅 炖锅 煮锅"),
    "spoon": _w("spoon, tablespoon, teaspoon", "勺子 汤勺 汤匙"),
    "fork": _w("fork, dinner fork, table fork", "叉子 餐叉"),
    "knife": _w("knife, kitchen knife, table knife", "刀 餐刀 菜刀 水果刀"),
    "jar": _w("jar, storage jar, canister, cookie jar", "罐子 储物罐 密封罐"),
    "toaster": _w("toaster, bread toaster", "烤面包机 吐司机 多士炉"),
    "fan": _w("fan, electric fan, desk fan", "风扇 电风扇 电扇"),
    "mirror": _w("mirror, wall mirror, looking glass", "镜子 化妆镜 全身镜"),
    "picture frame": _w("picture frame, photo frame, frame", "相框 画框"),
    "stool": _w("stool, bar stool, footstool", "凳子 圆凳 高脚凳"),
    "bench": _w("bench, garden bench, park bench", "长凳 长椅"),
    "wardrobe": _w("wardrobe, closet, armoire", "衣柜 衣橱 大衣柜"),
    "television": _w("television, tv, tv set, television set", "电视 电视机"),
    "keyboard": _w("keyboard, computer keyboard", "键盘 电脑键盘"),
    "computer mouse": _w("computer mouse, mouse", "鼠标 电脑鼠标"),
    "speaker": _w("speaker, loudspeaker, bluetooth speaker", "音箱 音响 扬声器"),
    "game controller": _w("game controller, gamepad, controller, joypad", "游戏手柄 手柄"),
    "bicycle": _w("bicycle, bike, pushbike", "自行车 单车 脚踏车"),
    "skateboard": _w("skateboard, skate deck", "滑板 滑板车"),
    "tennis racket": _w("tennis racket, racket, tennis racquet", "网球拍 球拍"),
    "kite": _w("kite, flying kite", "风筝"),
    "drum": _w("drum, snare drum, hand drum", "鼓 小鼓 手鼓"),
    "rubber duck": _w("rubber duck, bath duck, toy duck", "橡皮鸭 玩具鸭 洗澡鸭"),
    "wallet": _w("wallet, billfold, card holder", "钱包 钱夹 卡包"),
    "belt": _w("belt, waist belt, trouser belt", "腰带 皮带 裤带"),
    "necklace": _w("necklace, pendant necklace, neck chain", "项链 吊坠项链"),
    "hairbrush": _w("hairbrush, hair brush, brush", "梳子 发梳 发刷"),
    "scissors": _w("scissors, pair of scissors, shears", "剪刀 剪子"),
    "hammer": _w("hammer, claw hammer, mallet", "锤子 榔头 铁锤"),
}
CATEGORY_NAMES = tuple(CATEGORIES)

#: Pattern -> its words. "animal print" covers every animal: its code does not tell a leopard from a zebra.
PATTERNS: dict[str, Words] = {
    "plain": _w("plain, solid, solid-colour, solid color", "纯色 素色 净色"),
    "striped": _w("striped, stripy, stripe, stripes", "条纹 间条 条纹图案"),
    "dotted": _w("polka dot, dotted, spotted, polka-dot, polka dots, dots", "波点 圆点 斑点"),
    "checked": _w("checked, plaid, checkered, tartan, gingham, checks", "格子 格纹 方格"),
    "floral": _w("floral, flower print, flowery, floral print, floral-print, flowers", "碎花 花卉 花朵"),
    "graphic": _w("graphic print, printed, graphic, graphic-print, print motif", "印花 图案印花 图案"),
    "camouflage": _w("camouflage, camo, army print", "迷彩 迷彩纹"),
    "zigzag": _w("zigzag, chevron, zig-zag, zigzags", "人字纹 锯齿纹 之字纹"),
    "gradient": _w("gradient, ombre, colour gradient, faded", "渐变 渐变色 过渡色"),
    "animal print": _w(
        "animal print, animal-print, leopard print, leopard, zebra print", "豹纹 动物纹 斑马纹"
    ),
    "tie-dye": _w("tie-dye, tie-dyed, tie dye", "扎染 晕染"),
    "starry": _w("starry, star print, star-print, stars", "星星 星星图案 五角星"),
}
PATTERN_NAMES = tuple(PATTERNS)

#: Pattern -> English nouns that can follow "with" ("with white stripes"); each is a word of the pattern
#: above, alone or before "pattern".
PATTERN_NOUNS: dict[str, tuple[str, ...]] = {
    "plain": ("plain design",),
    "striped": ("stripes", "stripe pattern"),
    "dotted": ("polka dots", "dots"),
    "checked": ("checks", "plaid pattern"),
    "floral": ("floral pattern", "flowers"),
    "graphic": ("graphic print", "graphic"),
    "camouflage": ("camouflage pattern", "camo pattern"),
    "zigzag": ("zigzags", "zigzag pattern"),
    "gradient": ("colour gradient", "ombre effect"),
    "animal print": ("animal print", "leopard print"),
    "tie-dye": ("tie-dye pattern", "tie-dye effect"),
    "starry": ("stars", "star print"),
}  # fmt: skip

MATERIALS: dict[str, Words] = {
    "matte": _w("matte, matt, matte finish", "哑光 磨砂"),
    "glossy": _w("glossy, shiny, polished, high-gloss", "亮面 光面 亮光"),
    "knitted": _w("knitted, knit, woollen, wool, cable-knit", "针织 羊毛 毛线"),
    "leather": _w("leather, faux leather, leatherette", "皮革 真皮 仿皮"),
    "wooden": _w("wooden, wood, timber", "木质 木制 实木"),
    "metallic": _w("metallic, metal, steel", "金属 不锈钢 金属质感"),
}
MATERIAL_NAMES = tuple(MATERIALS)
